//! The counters of all requested namespaces, live or from a recording.

use super::counter_watch::CounterWatch;
use super::error::MonitorError;
use super::interval_schedule::IntervalSchedule;
use super::namespaces::{find_namespaces, wants_all};
use super::pace::{Pace, Ticks};
use crate::recording::{RecordedNamespace, Session};
use crate::sys::{Interrupt, Usage};

/// Where the readings come from.
#[derive(Debug)]
enum Source {
    Kernel(Ticks),
    Recording { session: Box<Session>, pace: Pace, schedule: IntervalSchedule, left: Option<u64> },
}

/// The counters of the requested namespaces, reading by reading.
#[derive(Debug)]
pub struct CounterWatches {
    /// Each namespace.
    pub watches: Vec<CounterWatch>,
    /// Namespaces that could not be entered or even seen, and why.
    pub unreachable: Vec<String>,
    source: Source,
}

impl CounterWatches {
    /// Opens live namespaces and reads their counters; with `all`, of those that can be entered.
    /// Each tick takes another reading.
    ///
    /// # Errors
    /// When a namespace cannot be entered, or none of `all`.
    pub fn live(specs: &[String], mut ticks: Ticks) -> Result<Self, MonitorError> {
        let (namespaces, mut unreachable) = find_namespaces(specs)?;
        let mut watches = Vec::new();
        for namespace in &namespaces {
            match CounterWatch::open(namespace) {
                Ok(watch) => watches.push(watch),
                Err(error) if wants_all(specs) => unreachable.push(error.to_string()),
                Err(error) => return Err(error),
            }
        }
        if watches.is_empty() {
            return Err(MonitorError::NoNamespace(unreachable.join("; ")));
        }
        ticks.restart();
        Ok(Self { watches, unreachable, source: Source::Kernel(ticks) })
    }

    /// Takes the current sample of a recording. Others follow by the schedule and the pace, `count`
    /// at most, the first one included.
    ///
    /// # Errors
    /// When its counters cannot be read.
    pub fn replay(
        session: Session,
        mut pace: Pace,
        schedule: IntervalSchedule,
        count: Option<u64>,
    ) -> Result<Self, MonitorError> {
        let mut watches = Vec::new();
        take(&mut watches, &session)?;
        pace.start(session.sample().clocks.monotonic_ns);
        let session = Box::new(session);
        let source = Source::Recording { session, pace, schedule, left: count };
        Ok(Self { watches, unreachable: Vec::new(), source })
    }

    /// The recording, if it is one.
    pub fn session(&self) -> Option<&Session> {
        match &self.source {
            Source::Kernel(_) => None,
            Source::Recording { session, .. } => Some(session),
        }
    }

    /// Takes the readings that end the next interval, and returns the usage before they began;
    /// `None` after the last one.
    ///
    /// # Errors
    /// When counters cannot be read.
    pub fn next_interval(&mut self, interrupt: &Interrupt) -> Result<Option<Usage>, MonitorError> {
        match &mut self.source {
            Source::Kernel(ticks) => {
                if !ticks.wait(interrupt) {
                    return Ok(None);
                }
                let usage = Usage::now();
                self.watches.iter_mut().try_for_each(CounterWatch::sample)?;
                Ok(Some(usage))
            }
            Source::Recording { session, pace, schedule, left } => {
                *left = left.map(|left| left - 1);
                while *left != Some(0) && session.advance() {
                    if pace.wait(session.sample().clocks.monotonic_ns, interrupt) {
                        return Ok(None);
                    }
                    if schedule.ends_with(session.sample(), session.is_last()) {
                        let usage = Usage::now();
                        take(&mut self.watches, session)?;
                        return Ok(Some(usage));
                    }
                }
                Ok(None)
            }
        }
    }

    /// Takes the last sample of a recording.
    ///
    /// # Errors
    /// When its counters cannot be read.
    pub fn take_last(&mut self) -> Result<(), MonitorError> {
        let Source::Recording { session, .. } = &mut self.source else { return Ok(()) };
        let mut moved = false;
        while session.advance() {
            moved = true;
        }
        if moved { take(&mut self.watches, session) } else { Ok(()) }
    }
}

/// Takes the counters of each namespace from the current sample.
fn take(watches: &mut Vec<CounterWatch>, session: &Session) -> Result<(), MonitorError> {
    let sample = session.sample();
    let with_counters = |namespace: &&RecordedNamespace| {
        session.choice().includes(namespace) && !namespace.part.counters[0].is_empty()
    };
    for namespace in sample.namespaces.iter().filter(with_counters) {
        match watches.iter_mut().find(|watch| watch.namespace.inode == namespace.inode) {
            Some(watch) => watch.take(namespace, sample.clocks)?,
            None => watches.push(CounterWatch::recorded(namespace, sample.clocks)?),
        }
    }
    Ok(())
}
