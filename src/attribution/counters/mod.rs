//! How each counter relates to sockets, counter by counter.
//!
//! The catalogue describes which socket fields relate to a counter. This module computes how much
//! of a counter's growth a service can have had, from the sums over its sockets. Every limit
//! follows from the kernel code named beside it. Every weight is a guess that only chooses between
//! the limits. A counter that is not listed here uses its twin in the catalogue.

mod bounded;
mod estimated;
mod exact;
mod listening;
mod twin;

use super::divide::Share;
use super::growth::Slot;
use super::interval::Interval;
use super::reason::Reason;
use super::tally::{Tallies, Tally};

/// How reliable an attribution is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// The kernel also keeps the count per socket: sums over sockets.
    Exact,
    /// Sums over sockets, but the owner, role or service of some of them is inferred.
    Inferred,
    /// The figures of the sockets set a lower and an upper bound.
    Bounded,
    /// Divided among the sockets that can have caused it.
    Estimated,
}

impl Class {
    /// The word used in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Inferred => "inferred",
            Self::Bounded => "bounded",
            Self::Estimated => "estimated",
        }
    }
}

/// What, besides the observed sockets, can have caused a counter's growth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outside {
    /// Nothing: a rest is a reading error.
    Nothing,
    /// Other causes, without limit.
    Others,
}

/// What a plan needs besides a service's own sums.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) interval: &'a Interval<'a>,
    pub(super) tallies: &'a Tallies,
    /// The counter's own growth.
    pub(super) delta: u64,
    /// How much of it may belong to a neighbouring interval, or may be missing from this one.
    pub(super) skew: u64,
}

impl Context<'_> {
    /// Growth of another counter.
    pub(super) fn grew(&self, name: &str) -> u64 {
        self.interval.delta(name)
    }

    /// Whether this kernel's sockets have a field.
    pub(super) fn has(&self, slot: Slot) -> bool {
        self.interval.kernel.has(slot)
    }
}

/// How a counter is attributed.
pub(super) struct Plan {
    pub(super) class: Class,
    /// How much a service can have had.
    pub(super) share: Box<dyn Fn(&Tally) -> Share>,
    pub(super) outside: Outside,
    /// Why part of the growth may remain unattributed.
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

    /// A plan that attributes nothing to any service.
    fn unattributed(reasons: &'static [Reason]) -> Self {
        Self::new(Class::Estimated, Outside::Others, reasons, |_| Share::default())
    }
}

/// The plan for this counter. `None` if it is not a TCP counter.
pub(super) fn plan(name: &str, context: &Context<'_>) -> Option<Plan> {
    exact::plan(name, context)
        .or_else(|| listening::plan(name, context))
        .or_else(|| bounded::plan(name, context))
        .or_else(|| estimated::plan(name, context))
        .or_else(|| twin::plan(name))
}

/// The plan, if the kernel also keeps this counter per socket.
pub(super) fn exact(name: &str, context: &Context<'_>) -> Option<Plan> {
    exact::plan(name, context)
        .or_else(|| listening::plan(name, context))
        .filter(|plan| plan.class == Class::Exact)
}

/// Any share up to a hard limit, in proportion to a weight.
fn up_to(limit: u64, weight: u64) -> Share {
    Share::between(0, limit, weight as f64)
}

/// Any share at all, though probably not more than `likely`.
fn probably(likely: u64, weight: f64) -> Share {
    Share::between(0, u64::MAX, weight).likely(likely)
}
