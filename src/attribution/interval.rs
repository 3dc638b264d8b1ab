//! The input of attribution: one interval in one network namespace.

use std::sync::Arc;

use super::growth::KernelCounters;
use super::kinds::KindRow;
use super::work::Work;
use crate::counters::{CounterWidth, Counters, Delta as Change, Kind};
use crate::identity::ServiceId;

/// The counters, read before and after a dump. The growth in between may or may not be in the
/// sockets' figures: that is the skew.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// Before the dump.
    pub first: &'a Counters,
    /// After the dump. Intervals run from here to here, so that they leave no gap.
    pub second: &'a Counters,
}

/// Drops of a service's listeners (growth of `drops`). Only for listeners that are not in `work`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerDrops {
    /// The service.
    pub service: ServiceId,
    /// Segments.
    pub drops: u64,
}

/// Half-open connections of a service. They are not sockets but records in SYN-RECV. A child
/// inherits their SYN-ACK repeats when it is created, in this interval or a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requests {
    /// The service.
    pub service: ServiceId,
    /// SYN-ACK repeats of this interval that are in no child's activity. The caller that counts
    /// them here reports them when the child is created ([`Hints::inherited`](super::Hints)).
    pub repeats: u64,
    /// How many ended without a child.
    pub gone: u64,
    /// Whether the service of some of them is not beyond doubt.
    pub inferred: bool,
}

/// One interval, collected by the caller.
#[derive(Debug, Clone, Copy)]
pub struct Interval<'a> {
    /// The counters at the start.
    pub before: Reading<'a>,
    /// The counters at the end.
    pub after: Reading<'a>,
    /// The width of the kernel's counters.
    pub width: CounterWidth,
    /// Which counters the kernel keeps per socket.
    pub kernel: KernelCounters,
    /// What each socket did, once per socket. Sockets that did nothing may be left out.
    pub work: &'a [Work],
    /// Drops of listeners that are not in `work`.
    pub listeners: &'a [ListenerDrops],
    /// Half-open connections.
    pub requests: &'a [Requests],
    /// Sockets in ESTABLISHED and CLOSE-WAIT now, by service.
    pub established: &'a [(ServiceId, u64)],
    /// Whether the service of some of these is not beyond doubt.
    pub is_established_inferred: bool,
    /// Whether the ends of sockets were notified, so that short connections are in `work`.
    pub notified: bool,
    /// Destroy events that were lost.
    pub events_lost: u64,
    /// The share of closed sockets whose destroy event may have come too late, so that the host
    /// counted them in the interval before. As many may be missing in this interval.
    pub late: f64,
    /// Retransmits that the host counted in the interval before but no socket showed: those sent
    /// between a dump and the reading of the counters show now.
    pub carried_over: KindRow,
}

/// The growth of a counter that is not known: more than any that occurs, and sums of some do not
/// overflow.
pub(super) const UNKNOWN: u64 = u64::MAX / 16;

/// Growth of a counter, and how much of it may belong to the neighbouring intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Grown {
    pub(super) delta: u64,
    pub(super) skew: u64,
}

impl Interval<'_> {
    /// Every counter, including those that did not move. Looking each up by name took a fifth of a
    /// poll's time.
    pub(super) fn grown(&self) -> impl Iterator<Item = (&str, Grown)> {
        let names = self.after.second.layout().names().enumerate();
        names.filter_map(|(position, name)| Some((name, self.growth_at(position, name)?)))
    }

    /// Growth of one counter. `None` if this kernel does not have it, if it is a gauge, if it could
    /// not be read, or if it went backwards.
    pub(super) fn growth(&self, name: &str) -> Option<Grown> {
        self.growth_at(self.after.second.layout().position(name)?, name)
    }

    /// The same for a counter whose position in the last reading is known.
    fn growth_at(&self, position: usize, name: &str) -> Option<Grown> {
        if self.after.second.layout().kind(position)? == Kind::Gauge {
            return None;
        }
        let width = self.width.of_counter(name);
        let between = |from: &Counters, to: &Counters| {
            let [from, to] = [from, to].map(|counters| self.value(counters, position, name));
            Change::between(Kind::Counter, width, from?, to?).growth()
        };
        let delta = between(self.before.second, self.after.second)?;
        let around = |reading: &Reading<'_>| between(reading.first, reading.second).unwrap_or(0);
        Some(Grown { delta, skew: around(&self.before) + around(&self.after) })
    }

    /// A value of one reading. Nearly all readings have the same names in the same order.
    fn value(&self, counters: &Counters, position: usize, name: &str) -> Option<i64> {
        if Arc::ptr_eq(counters.layout(), self.after.second.layout()) {
            counters.at(position)
        } else {
            counters.get(name)
        }
    }

    /// Like [`growth`](Self::growth), but 0 for a counter that does not exist, and
    /// [`UNKNOWN`] for one whose growth is not known.
    pub(super) fn delta(&self, name: &str) -> u64 {
        match self.growth(name) {
            Some(grown) => grown.delta,
            None if self.is_unknown(name) => UNKNOWN,
            None => 0,
        }
    }

    /// Whether the kernel may count something that could not be read, or fell.
    pub(super) fn is_unknown(&self, name: &str) -> bool {
        let [before, after] = [self.before.second, self.after.second];
        [before, after].iter().any(|counters| counters.is_unread(name))
            || self.growth(name).is_none() && before.get(name).and(after.get(name)).is_some()
    }

    /// Whether sockets may have come and gone unobserved.
    pub(super) fn has_gaps(&self) -> bool {
        self.events_lost > 0 || !self.notified
    }
}
