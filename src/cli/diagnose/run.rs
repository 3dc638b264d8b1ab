//! Watching what happens here.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::place::{Place, Wanted};
use super::progress::Progress;
use super::tell::Teller;
use super::{DiagnoseCommand, USUAL};
use crate::cli::config::Config;
use crate::cli::exit::Exit;
use crate::cli::expression::Lookups;
use crate::cli::owners::People;
use crate::cli::scene::{is_all, places};
use crate::cli::services::feed::Side;
use crate::diagnosis::Question;
use crate::procfs::{Host, PortNames, Scope};
use crate::report::Quality;
use crate::sys::{Interrupt, Usage, give_memory_back};

/// Looks come so often at most, and at least.
const OFTEN: Duration = Duration::from_millis(100);
const SELDOM: Duration = Duration::from_secs(1);

/// Looks that a watch of whatever length shall have.
const LOOKS: u32 = 10;

pub(super) fn run(
    command: &DiagnoseCommand,
    config: &Config,
    asked: Vec<bool>,
) -> anyhow::Result<Exit> {
    let usage = Usage::now();
    let host = Host::this();
    let ports = PortNames::load();
    let expr = command.filter.expression(&Lookups { ports: &ports, past: None })?;
    let wanted = Wanted::new(command, expr, ports, host.ecn_word());
    let interrupt = Interrupt::install()?;
    give_memory_back();
    let machine = rustix::system::uname().machine().to_string_lossy().into_owned();
    let question = command.question(config, asked, &machine);
    let mut quality = Quality::default();
    let mut places = open(command, &question, &mut quality)?;
    let mut people = People::new(wanted.asks_for_owners, true, Scope::First)?;
    let watched = watch(command, &mut places, &wanted, &mut people, &interrupt)?;
    let Some(elapsed) = watched else { return Ok(Exit::Interrupted) };
    let many = places.len() > 1 || is_all(&command.filter.netns);
    let mut teller = Teller::new(command, config, many, quality);
    for place in places {
        teller.conclude(place, None)?;
    }
    teller.tell(&host, Timestamp::now(), elapsed, usage)
}

/// Opens the namespaces; of `all` those that can be entered.
fn open(
    command: &DiagnoseCommand,
    question: &Question,
    quality: &mut Quality,
) -> anyhow::Result<Vec<Place>> {
    let specs = &command.filter.netns;
    let (places, unreachable) = places(specs)?;
    quality.permission_limited.extend(unreachable);
    let mut opened = Vec::new();
    for place in &places {
        match Place::open(place, question.clone(), !command.no_events, quality) {
            Ok(place) => opened.push(place),
            Err(error) if is_all(specs) => quality.permission_limited.push(format!("{error:#}")),
            Err(error) => return Err(error),
        }
    }
    if opened.is_empty() {
        anyhow::bail!("no network namespace could be entered");
    }
    Ok(opened)
}

/// Looks at them until the time is up, or the user asks to end. Tells how long that was; `None`
/// where there was no second look.
fn watch(
    command: &DiagnoseCommand,
    places: &mut [Place],
    wanted: &Wanted,
    people: &mut People,
    interrupt: &Interrupt,
) -> anyhow::Result<Option<Duration>> {
    let progress = Progress::new();
    let duration = command.duration.unwrap_or(USUAL);
    let every = (duration / LOOKS).clamp(OFTEN, SELDOM).min(duration);
    let start = Instant::now();
    let end = start + duration;
    for place in places.iter_mut() {
        place.read_host(Side::Before)?;
        place.look(wanted, people, Duration::ZERO)?;
    }
    let mut next = start;
    loop {
        next = (next + every).max(Instant::now());
        // The last look is at the end, and not just before it.
        if next + every / 2 > end {
            next = end;
        }
        let sockets = places.iter().map(|place| place.diagnosis.len() as u64).sum();
        progress.show(sockets, end.saturating_duration_since(Instant::now()));
        let asked = interrupt.sleep_until(next);
        let at = start.elapsed();
        let last = asked || next >= end;
        if asked && at < OFTEN {
            progress.clear();
            return Ok(None);
        }
        for place in places.iter_mut() {
            place.look(wanted, people, at)?;
            if last {
                place.read_host(Side::After)?;
            }
        }
        if last {
            progress.clear();
            return Ok(Some(at));
        }
    }
}
