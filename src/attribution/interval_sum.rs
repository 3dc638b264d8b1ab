//! Sums over intervals and namespaces.

use std::ops::ControlFlow;

use super::{Accumulator, Attributor, Coverage, ServiceTable, SocketSelection};
use crate::counters::CounterWidth;
use crate::model::Socket;
use crate::monitor::{
    Consumer, Identities, Identity, Interest, Interfaces, PollBegun, PollEnded, Quality,
};

/// All results of an interval in one namespace, or in several together.
#[derive(Debug, Default)]
pub struct IntervalSum {
    /// What services did.
    pub table: ServiceTable,
    /// The growth of the host's counters, divided.
    pub counters: Accumulator,
    /// How much of what happened was seen.
    pub coverage: Coverage,
    /// What to know before trusting it.
    pub quality: Quality,
    /// Records that the kernel sent.
    pub dumped: u64,
}

impl IntervalSum {
    /// Adds another namespace's part of the same interval, levels included.
    pub fn add(&mut self, other: &Self) {
        let closing_unconfirmed =
            self.coverage.closing_unconfirmed + other.coverage.closing_unconfirmed;
        self.counters.join(&other.counters.total());
        self.put(other);
        self.coverage.closing_unconfirmed = closing_unconfirmed;
    }

    /// Adds the next interval, whose levels are those of the end.
    pub fn follow(&mut self, next: &Self) {
        self.table.begin_poll();
        self.counters.add(&next.counters.total());
        self.put(next);
    }

    fn put(&mut self, other: &Self) {
        self.table.add(&other.table);
        self.coverage.add(&other.coverage);
        self.quality.add(other.quality.clone());
        self.dumped += other.dumped;
    }
}

/// The attribution of one namespace, interval by interval.
#[derive(Debug)]
pub struct NamespaceAttribution {
    attributor: Attributor,
    /// The current interval.
    coverage: Coverage,
    quality: Quality,
    dumped: u64,
}

impl NamespaceAttribution {
    /// Without any polls, for counters of this width.
    pub fn new(width: CounterWidth) -> Self {
        Self {
            attributor: Attributor::new(width),
            coverage: Coverage::default(),
            quality: Quality::default(),
            dumped: 0,
        }
    }

    /// Attributes only these sockets to their own services.
    #[must_use]
    pub fn selecting(self, selection: Option<SocketSelection>) -> Self {
        Self { attributor: self.attributor.selecting(selection), ..self }
    }

    /// Forgets what the first poll showed, which is no growth. What it could not see is missing in
    /// the first interval too.
    pub fn set_baseline(&mut self) {
        let baseline = self.begin_interval();
        self.quality = baseline.quality;
    }

    /// The result of the interval, as of the last poll. Begins a new one.
    pub fn begin_interval(&mut self) -> IntervalSum {
        let coverage = Coverage {
            destroy_events: self.coverage.destroy_events.map(|_| 0),
            closing_unconfirmed: self.coverage.closing_unconfirmed,
            ..Coverage::default()
        };
        IntervalSum {
            table: self.attributor.table().clone(),
            counters: self.attributor.begin_interval(),
            coverage: std::mem::replace(&mut self.coverage, coverage),
            quality: std::mem::take(&mut self.quality),
            dumped: std::mem::take(&mut self.dumped),
        }
    }

    /// Bytes of the heap that its accounts occupy.
    pub fn allocated(&self) -> usize {
        self.attributor.allocated()
    }
}

impl Consumer for NamespaceAttribution {
    fn begin(&mut self, poll: &PollBegun<'_>) {
        self.attributor.begin(poll);
    }

    #[inline]
    fn observe(&mut self, socket: &Socket) -> Interest {
        self.attributor.observe(socket)
    }

    fn identified(
        &mut self,
        socket: &Socket,
        identity: &Identity<'_>,
        interfaces: &mut Interfaces,
    ) -> ControlFlow<()> {
        self.attributor.identified(socket, identity, interfaces)
    }

    fn on_destroy(&mut self, event: &Socket, identities: &mut Identities<'_>) {
        self.attributor.on_destroy(event, identities);
    }

    fn end(&mut self, poll: PollEnded<'_>, identities: &mut Identities<'_>) {
        self.quality.add(poll.quality.clone());
        self.dumped += poll.dumped;
        let events = poll.events;
        self.attributor.end(poll, identities);
        let polled = self.attributor.last_poll();
        let coverage = &mut self.coverage;
        match events {
            Some(events) => *coverage.destroy_events.get_or_insert_default() += events,
            None if coverage.destroy_events == Some(0) => coverage.destroy_events = None,
            None => {}
        }
        coverage.opened += polled.opened;
        coverage.closed += polled.closed;
        coverage.between_polls += polled.between_polls;
        coverage.counters_zeroed += polled.totals.wiped;
        coverage.without_event += polled.without_event;
        coverage.given_up += polled.totals.given_up;
        coverage.closing_unconfirmed = polled.totals.closing_unconfirmed as u64;
    }
}
