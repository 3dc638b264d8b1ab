//! How each counter relates to sockets, counter by counter.
//!
//! The catalogue says in words which fields of sockets know of a counter; here stands what a
//! service can have had of it, given the sums over its sockets. Every limit is one that the
//! kernel's code keeps (named at each), every weight a guess that decides between the limits.
//! A counter that has no line here goes by its twin in the catalogue.

mod bounded;
mod estimated;
mod exact;
mod twin;

use super::divide::Share;
use super::growth::{Growth, Slot};
use super::interval::Interval;
use super::reason::Reason;
use super::tally::{Tallies, Tally};

/// How firm an attribution is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Sums that the kernel keeps per socket too.
    Exact,
    /// Sockets limit it.
    Bounded,
    /// Spread over the sockets that can have caused it.
    Estimated,
}

impl Class {
    /// The word used in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Bounded => "bounded",
            Self::Estimated => "estimated",
        }
    }
}

/// Who but the sockets that were seen can have caused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outside {
    /// Nobody: what is left is an error of reading.
    Nobody,
    /// Others, without limit.
    Others,
}

/// What there is to know besides a service's own sums.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) interval: &'a Interval<'a>,
    pub(super) tallies: &'a Tallies,
    /// The counter's own growth.
    pub(super) delta: u64,
    /// How much of that, or of what is not in it, may be a neighbour's.
    pub(super) skew: u64,
}

impl Context<'_> {
    /// Growth of another counter.
    pub(super) fn grew(&self, name: &str) -> u64 {
        self.interval.delta(name)
    }

    /// Whether this kernel's sockets have a field.
    pub(super) fn has(&self, slot: Slot) -> bool {
        self.all().has(slot)
    }

    pub(super) fn all(&self) -> &Growth {
        &self.tallies.all
    }
}

/// How a counter is attributed.
pub(super) struct Plan {
    pub(super) class: Class,
    /// What a service can have had.
    pub(super) share: Box<dyn Fn(&Tally) -> Share>,
    pub(super) outside: Outside,
    /// Why there may be a rest.
    pub(super) reasons: &'static [Reason],
}

impl Plan {
    fn new(
        class: Class,
        outside: Outside,
        reasons: &'static [Reason],
        share: impl Fn(&Tally) -> Share + 'static,
    ) -> Self {
        Self { class, share: Box::new(share), outside, reasons }
    }

    /// Nobody's.
    fn nobody(reasons: &'static [Reason]) -> Self {
        Self::new(Class::Estimated, Outside::Others, reasons, |_| Share::default())
    }
}

/// How this counter is attributed. `None` where it is none of TCP's.
pub(super) fn plan(name: &str, context: &Context<'_>) -> Option<Plan> {
    exact::plan(name, context)
        .or_else(|| bounded::plan(name, context))
        .or_else(|| estimated::plan(name, context))
        .or_else(|| twin::plan(name))
}

/// The same, where it comes to sums that the kernel keeps per socket too.
pub(super) fn exact(name: &str, context: &Context<'_>) -> Option<Plan> {
    exact::plan(name, context).filter(|plan| plan.class == Class::Exact)
}

/// Any share up to a limit that holds, in proportion to a weight.
fn up_to(limit: u64, weight: u64) -> Share {
    Share::between(0, limit, weight as f64)
}

/// Any share at all, though probably not more than `likely`.
fn probably(likely: u64, weight: f64) -> Share {
    Share::between(0, u64::MAX, weight).likely(likely)
}
