//! Faults that happen while somebody looks.

use std::time::{Duration, Instant};

use super::{Fault, Setup};
use crate::lab::Side;

/// How long a busy host may need for what takes two seconds.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a fault may come to nothing because the host was busy.
const ATTEMPTS: usize = 3;

/// What somebody saw, and how long the fault took to be there.
#[derive(Debug)]
pub struct Trial<T> {
    /// Up to the beginning of the look.
    pub established: Duration,
    /// The look's outcome.
    pub seen: T,
}

/// Lets a fault happen while `look` looks, after it is there. It has to be
/// there still when the look is over.
///
/// # Errors
///
/// When there can be no such link, and when the fault does not come or last.
pub fn try_out<T>(fault: &Fault, look: impl Fn(&Setup) -> T) -> Result<Trial<T>, String> {
    let mut reason = String::new();
    for _ in 0..ATTEMPTS {
        let begin = Instant::now();
        let setup = Setup::of(fault)?;
        while !setup.holds() && begin.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(100));
        }
        let established = begin.elapsed();
        if established >= PATIENCE {
            reason = format!("{} is not there: {}", fault.name, show(&setup));
            continue;
        }
        setup.mark();
        let seen = look(&setup);
        if setup.holds() {
            return Ok(Trial { established, seen });
        }
        reason = format!("{} does not last: {}", fault.name, show(&setup));
    }
    Err(reason)
}

/// The same for all of them, so many at the same time.
pub fn try_all<T: Send>(
    faults: &[&'static Fault],
    abreast: usize,
    look: impl Fn(&Fault, &Setup) -> T + Sync,
) -> Vec<Result<Trial<T>, String>> {
    let mut outcomes = Vec::new();
    for group in faults.chunks(abreast) {
        std::thread::scope(|scope| {
            let one = |fault: &'static Fault| {
                let look = &look;
                scope.spawn(move || try_out(fault, |setup| look(fault, setup)))
            };
            let trials: Vec<_> = group.iter().map(|fault| one(fault)).collect();
            outcomes.extend(trials.into_iter().map(|trial| trial.join().unwrap()));
        });
    }
    outcomes
}

fn show(setup: &Setup) -> String {
    let end = |side| {
        let grown = setup.grown(side);
        format!("{side:?}: {grown:?}\n{:#?}\n", setup.sockets(side))
    };
    Side::BOTH.map(end).concat()
}
