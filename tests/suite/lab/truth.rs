//! What really happened, by port and kind.

use std::collections::BTreeMap;

use super::classify::Verdict;
use super::kinds::{Kind, Kinds};
use super::{Counters, Side, Work};

/// The truth of a scenario.
#[derive(Debug)]
pub struct Truth {
    /// What each end retransmitted: the client's, then the server's.
    pub sides: [SideTruth; 2],
    /// Where `per_port` is from.
    pub source: Source,
    /// Every retransmitted segment; empty without the trace.
    pub retransmits: Vec<Retransmit>,
    /// What the services did, by port.
    pub work: BTreeMap<u16, Work>,
    /// Sockets that did not come to an end before the scenario gave up
    /// waiting: 0, or the truth is unfinished.
    pub unsettled: usize,
    /// What the trace says apart from retransmits.
    pub verdict: Verdict,
}

/// How it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// From the kernel's trace: per port and kind.
    Traced,
    /// From the counters: totals of each end only. For this reason.
    Counters(String),
}

/// The truth of one end.
#[derive(Debug, Default)]
pub struct SideTruth {
    /// By the service's port; empty without the trace.
    pub per_port: BTreeMap<u16, Kinds>,
    /// The namespace's counters before the first packet.
    pub before: Counters,
    /// And after the last.
    pub after: Counters,
}

/// A retransmitted segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retransmit {
    /// Microseconds of CLOCK_MONOTONIC.
    pub at: u64,
    /// Who sent it.
    pub side: Side,
    /// The service's port.
    pub port: u16,
    /// Why.
    pub kind: Kind,
}

impl Truth {
    /// The truth of one end.
    pub fn side(&self, side: Side) -> &SideTruth {
        &self.sides[side.index()]
    }

    /// Both ends together, by port.
    pub fn per_port(&self) -> BTreeMap<u16, Kinds> {
        let mut sum: BTreeMap<u16, Kinds> = BTreeMap::new();
        for (port, kinds) in self.sides.iter().flat_map(|side| &side.per_port) {
            *sum.entry(*port).or_default() += *kinds;
        }
        sum
    }

    /// Whether the truth per port is known; says so if not.
    pub fn is_traced(&self) -> bool {
        if let Source::Counters(reason) = &self.source {
            println!("only host totals, no truth per port: {reason}");
        }
        self.source == Source::Traced
    }

    /// What the trace and the counters do not agree on; empty is as it should
    /// be.
    pub fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.source != Source::Traced {
            return found;
        }
        if self.verdict.lost > 0 {
            found.push(format!("{} trace events lost", self.verdict.lost));
        }
        if self.unsettled > 0 {
            found.push(format!("{} sockets did not come to an end", self.unsettled));
        }
        for side in Side::BOTH {
            let truth = self.side(side);
            let sum = truth.sum();
            let mut equal = |name: &str, counted: u64| {
                let growth = truth.growth(name);
                if growth != counted {
                    found.push(format!("{side:?}: {name} grew by {growth}, traced {counted}"));
                }
            };
            equal("RetransSegs", sum.total());
            equal("TCPSynRetrans", sum.syn);
            // These two count what was sent, the others what was tried.
            if self.verdict.failed == 0 {
                equal("TCPFastRetrans", sum.fast);
                equal("TCPSlowStartRetrans", sum.slow_start);
            }
            let mut bounded = |name: &str, counted: u64| {
                let growth = truth.growth(name);
                if growth < counted {
                    found.push(format!("{side:?}: {name} grew by {growth} < {counted} traced"));
                }
            };
            bounded("TCPLossProbes", sum.probe);
            if sum.other > 0 {
                found.push(format!("{side:?}: {} of unknown kind", sum.other));
            }
        }
        found
    }
}

impl SideTruth {
    /// All ports together.
    pub fn sum(&self) -> Kinds {
        let mut sum = Kinds::default();
        self.per_port.values().for_each(|kinds| sum += *kinds);
        sum
    }

    /// How much a counter grew.
    pub fn growth(&self, name: &str) -> u64 {
        self.after.growth(&self.before, name)
    }

    /// What the counters alone tell: fast, slow start and SYN, and what is left
    /// of RetransSegs for timeouts and probes, which share it.
    pub fn totals(&self) -> Kinds {
        let [fast, slow_start, syn] = ["TCPFastRetrans", "TCPSlowStartRetrans", "TCPSynRetrans"]
            .map(|name| self.growth(name));
        let other = self.growth("RetransSegs").saturating_sub(fast + slow_start + syn);
        Kinds { fast, slow_start, syn, other, ..Kinds::default() }
    }
}
