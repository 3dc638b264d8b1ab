//! Every fault of the fault lab appears and persists.
//!
//! ```text
//! TCPDIAG_FAULT=loss cargo test --test suite every_fault -- --nocapture    # some of them
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use crate::lab::faults::{chosen, try_all};
use crate::lab::{lab, require};

/// Faults provoked at the same time.
const CONCURRENT: usize = 16;
/// The time that a fault has to last.
const LASTS: Duration = Duration::from_secs(5);

lab!(
    alone as Mapped fn every_fault_appears_and_persists() {
        let faults = chosen();
        let outcomes = try_all(&faults, CONCURRENT, |_, _| std::thread::sleep(LASTS));
        for (fault, outcome) in faults.iter().zip(outcomes) {
            match outcome {
                Ok(trial) => println!("{}: there after {:.1?}", fault.name, trial.established),
                Err(reason) if reason.contains("/dev/net/tun") => {
                    require(false, &reason);
                    return;
                }
                Err(reason) => panic!("{reason}"),
            }
        }
    }
);

#[test]
fn fault_names_are_unique() {
    let names: Vec<&str> = chosen().iter().map(|fault| fault.name).collect();
    let unique: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(unique.len(), names.len());
}
