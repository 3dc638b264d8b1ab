//! The counters of all requested namespaces, live or from a recording.

use super::counter_watch::CounterWatch;
use super::error::MonitorError;
use super::interval_schedule::IntervalSchedule;
use super::namespace_set::RESERVED_DESCRIPTORS;
use super::namespaces::{find_namespaces, wants_all};
use super::pace::{Pace, Ticks};
use super::quality::Namespace;
use super::unreachable::{Unreachable, reason, too_few_descriptors};
use crate::recording::{RecordedNamespace, Session};
use crate::sys::{Interrupt, Usage, descriptor_limit, descriptors_left};

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
    unreachable: Unreachable,
    source: Source,
}

impl CounterWatches {
    /// Opens live namespaces and reads their counters; with `all`, of those that can be entered.
    /// Each tick takes another reading.
    ///
    /// # Errors
    /// When a namespace cannot be entered, or none of `all`.
    pub fn live(specs: &[String], mut ticks: Ticks) -> Result<Self, MonitorError> {
        let (namespaces, hidden) = find_namespaces(specs)?;
        let mut unreachable = Unreachable::new(hidden);
        let mut watches = Vec::new();
        for namespace in &namespaces {
            let is_short = !watches.is_empty() && descriptors_left(None) < RESERVED_DESCRIPTORS;
            let opened = match is_short {
                true => Err(too_few_descriptors(namespace, descriptor_limit())),
                false => CounterWatch::open(namespace),
            };
            match opened {
                Ok(watch) => watches.push(watch),
                Err(error) if wants_all(specs) => unreachable.add(&error.to_string()),
                Err(error) => return Err(error),
            }
        }
        if watches.is_empty() {
            return Err(MonitorError::NoNamespace(unreachable.texts().join("; ")));
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
        Ok(Self { watches, unreachable: Unreachable::default(), source })
    }

    /// Namespaces that could not be entered or even seen, or are lost, since this was last asked.
    pub fn take_unreachable(&mut self) -> Vec<String> {
        std::mem::take(&mut self.unreachable).texts()
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
                self.sample()?;
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

    /// Reads all namespaces again. One of several that cannot be read any more is left out.
    fn sample(&mut self) -> Result<(), MonitorError> {
        let mut index = 0;
        while let Some(watch) = self.watches.get_mut(index) {
            match watch.sample() {
                Ok(()) => index += 1,
                Err(error) if self.watches.len() > 1 && error.is_of_namespace() => {
                    let Namespace { inode, name } = self.watches.remove(index).namespace;
                    self.unreachable.add(&reason(name.as_deref(), inode, &error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
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
