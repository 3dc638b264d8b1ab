//! Everything that is known about an interval in one network namespace.

use std::sync::Arc;

use super::kinds::KindRow;
use super::services::ServiceId;
use super::work::Work;
use crate::counters::{CounterWidth, Counters, Delta as Change, Kind};

/// The counters, read on both sides of a dump. What grew in between may or may not be in the
/// sockets' figures: that is the skew.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// Before the dump.
    pub first: &'a Counters,
    /// After it. Intervals are counted from here to here, so that they join without a gap.
    pub second: &'a Counters,
}

/// What listeners of a service dropped: the growth of their `drops`. Only of those that are not
/// among the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerDrops {
    /// The service.
    pub service: ServiceId,
    /// Segments.
    pub drops: u64,
}

/// Half-open connections of a service. They are no sockets: records in SYN-RECV, whose SYN-ACK
/// repeats a child inherits when it is made, in this interval or a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requests {
    /// The service.
    pub service: ServiceId,
    /// SYN-ACK repeats seen on them in this interval that are in no child's activity. Whoever
    /// counts them here says so when the child is made ([`Hints::inherited`](super::Hints)).
    pub repeats: u64,
    /// How many went away without a child.
    pub gone: u64,
}

/// One interval. Nothing in it is asked for here: the caller has collected it.
#[derive(Debug, Clone, Copy)]
pub struct Interval<'a> {
    /// The counters at the start.
    pub before: Reading<'a>,
    /// The counters at the end.
    pub after: Reading<'a>,
    /// How wide the kernel's counters are.
    pub width: CounterWidth,
    /// What sockets did. Each once; those that did nothing may be left out.
    pub work: &'a [Work],
    /// What listeners dropped that are not in `work`.
    pub listeners: &'a [ListenerDrops],
    /// Half-open connections.
    pub requests: &'a [Requests],
    /// Sockets in ESTABLISHED and CLOSE-WAIT now, by service.
    pub established: &'a [(ServiceId, u64)],
    /// Whether the ends of sockets were notified, so that short connections are in `work`.
    pub notified: bool,
    /// Notifications that were lost.
    pub events_lost: u64,
    /// What share of the sockets that died may have been told of too late, and so may have been
    /// counted in the interval before; as many may be missing in this one.
    pub late: f64,
    /// Retransmits that the host has counted in the interval before and that no socket showed
    /// then: those that were sent between a dump and the reading of the counters show now.
    pub owed: KindRow,
}

/// Growth of a counter, and how much of it may belong to the neighbouring intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Grown {
    pub(super) delta: u64,
    pub(super) skew: u64,
}

impl Interval<'_> {
    /// Every counter, also one that did not move. Looking at each by name was a fifth of what a
    /// poll cost.
    pub(super) fn grown(&self) -> impl Iterator<Item = (&str, Grown)> {
        let names = self.after.second.layout().names().enumerate();
        names.filter_map(|(position, name)| Some((name, self.growth_at(position, name)?)))
    }

    /// Growth of one counter. `None` for one that this kernel does not have, that is a gauge, or
    /// that went backwards.
    pub(super) fn growth(&self, name: &str) -> Option<Grown> {
        self.growth_at(self.after.second.layout().position(name)?, name)
    }

    /// The same of one whose place in the last reading is known.
    fn growth_at(&self, position: usize, name: &str) -> Option<Grown> {
        if self.after.second.layout().kind(position)? == Kind::Gauge {
            return None;
        }
        let between = |from: &Counters, to: &Counters| {
            let [from, to] = [from, to].map(|counters| self.value(counters, position, name));
            Change::between(Kind::Counter, self.width, from?, to?).growth()
        };
        let delta = between(self.before.second, self.after.second)?;
        let around = |reading: &Reading<'_>| between(reading.first, reading.second).unwrap_or(0);
        Some(Grown { delta, skew: around(&self.before) + around(&self.after) })
    }

    /// A value in one of the readings, which nearly always have the same names.
    fn value(&self, counters: &Counters, position: usize, name: &str) -> Option<i64> {
        if Arc::ptr_eq(counters.layout(), self.after.second.layout()) {
            counters.at(position)
        } else {
            counters.get(name)
        }
    }

    /// As [`growth`](Self::growth), 0 for one that does not exist.
    pub(super) fn delta(&self, name: &str) -> u64 {
        self.growth(name).unwrap_or_default().delta
    }

    /// Whether sockets may have come and gone without a trace.
    pub(super) fn has_gaps(&self) -> bool {
        self.events_lost > 0 || !self.notified
    }
}
