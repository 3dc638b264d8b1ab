//! Polls of one network namespace as `tcpdiag services` makes them, and their floor.

use std::time::Instant;

use tcpdiag::attribution::{IntervalSum, NamespaceAttribution};
use tcpdiag::counters::CounterWidth;
use tcpdiag::model::{State, StateSet};
use tcpdiag::monitor::{CounterFiles, PollRequest};
use tcpdiag::wire::{DumpRequest, Form};

use super::drain::Drain;
use super::monitored::Monitored;

/// The namespace of this process.
pub(super) struct Attributed {
    raw: Drain,
    polls: Monitored<NamespaceAttribution>,
}

impl Attributed {
    /// Also makes the first poll, which creates the accounts; only later ones are measured.
    pub(super) fn open() -> anyhow::Result<Self> {
        let make = |_: &_| NamespaceAttribution::new(CounterWidth::Bits64);
        let polls = Monitored::open(CounterFiles::Catalogue, true, make)?;
        let mut attributed = Self { raw: Drain::open()?, polls };
        attributed.end_interval()?;
        Ok(attributed)
    }

    /// Bytes used by the accounts.
    pub(super) fn allocated(&self) -> usize {
        self.polls.consumer.allocated()
    }

    /// Receives the dumps of a poll and discards them.
    pub(super) fn floor(&mut self) -> anyhow::Result<()> {
        let query = PollRequest::of_connections(Instant::now(), false).query;
        let listeners = StateSet::of(&[State::Listen]);
        for states in [listeners, query.states.without(State::Listen)] {
            self.raw.dump(&DumpRequest {
                form: Form::Both,
                states: states.bits(),
                extensions: query.extensions,
                local_port: 0,
                remote_port: 0,
                bytecode: &[],
            })?;
        }
        Ok(())
    }

    /// A poll within an interval.
    pub(super) fn poll(&mut self) -> anyhow::Result<()> {
        Ok(self.polls.poll(&PollRequest::of_connections(Instant::now(), false))?)
    }

    /// The poll that ends an interval, and what the interval came to.
    pub(super) fn end_interval(&mut self) -> anyhow::Result<IntervalSum> {
        self.polls.poll(&PollRequest::of_connections(Instant::now(), true))?;
        Ok(self.polls.consumer.begin_interval())
    }
}
