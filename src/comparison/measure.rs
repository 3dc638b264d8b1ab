//! What services are compared by.

use crate::history::Count;
use crate::model::Field;
use crate::model::fields::{DROPS, tcp_info as t};
use crate::report::DiffUnit;
use crate::tracking::COUNTERS;

/// What one service did in one interval.
#[derive(Debug, Clone, Default)]
pub(super) struct Activities {
    /// As in [`COUNTERS`].
    pub(super) growth: Vec<u64>,
    pub(super) opened: u64,
    pub(super) closed: u64,
    /// Round-trip times of sockets that sent, and how many these were.
    pub(super) rtt_us: u64,
    pub(super) rtts: u64,
}

/// Where a number comes from.
#[derive(Debug, Clone, Copy)]
enum Term {
    Growth(&'static Field),
    Opened,
    Closed,
    Rtt,
    Rtts,
    Seconds,
}

/// One measure: one number divided by another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measure {
    pub(super) name: &'static str,
    pub(super) unit: DiffUnit,
    of: Term,
    by: Term,
    /// Times, which have no least variation.
    pub(super) timed: bool,
}

const fn by_segment(name: &'static str, of: &'static Field, by: &'static Field) -> Measure {
    let (of, by) = (Term::Growth(of), Term::Growth(by));
    Measure { name, unit: DiffUnit::Share, of, by, timed: false }
}

const fn by_second(name: &'static str, unit: DiffUnit, of: Term) -> Measure {
    Measure { name, unit, of, by: Term::Seconds, timed: false }
}

const fn by_busy_time(name: &'static str, of: &'static Field) -> Measure {
    let (of, by) = (Term::Growth(of), Term::Growth(&t::BUSY_TIME));
    Measure { name, unit: DiffUnit::Share, of, by, timed: true }
}

/// The measure of how much a service does, which is shown for one that appeared or is gone.
pub(super) const VOLUME: usize = 8;

/// All of them.
pub(super) static MEASURES: [Measure; 15] = [
    by_segment("retransmits per segment", &t::TOTAL_RETRANS, &t::SEGS_OUT),
    by_segment("timeouts per segment", &t::TOTAL_RTO, &t::SEGS_OUT),
    by_segment("needless per segment", &t::DSACK_DUPS, &t::SEGS_OUT),
    by_segment("out of order per segment", &t::RCV_OOOPACK, &t::SEGS_IN),
    by_segment("congestion marks", &t::DELIVERED_CE, &t::DELIVERED),
    by_second("listener drops", DiffUnit::PerSecond, Term::Growth(&DROPS)),
    by_busy_time("held by peer's window", &t::RWND_LIMITED),
    by_busy_time("held by send buffer", &t::SNDBUF_LIMITED),
    by_second("segments sent", DiffUnit::PerSecond, Term::Growth(&t::SEGS_OUT)),
    by_second("segments received", DiffUnit::PerSecond, Term::Growth(&t::SEGS_IN)),
    by_second("sent", DiffUnit::BytesPerSecond, Term::Growth(&t::BYTES_SENT)),
    by_second("received", DiffUnit::BytesPerSecond, Term::Growth(&t::BYTES_RECEIVED)),
    by_second("opened", DiffUnit::PerSecond, Term::Opened),
    by_second("closed", DiffUnit::PerSecond, Term::Closed),
    Measure {
        name: "round trip",
        unit: DiffUnit::Microseconds,
        of: Term::Rtt,
        by: Term::Rtts,
        timed: true,
    },
];

impl Activities {
    fn term(&self, term: Term, seconds: f64) -> f64 {
        match term {
            Term::Growth(field) => {
                let at = COUNTERS.iter().position(|known| std::ptr::eq(*known, field));
                at.and_then(|at| self.growth.get(at)).map_or(0.0, |&growth| growth as f64)
            }
            Term::Opened => self.opened as f64,
            Term::Closed => self.closed as f64,
            Term::Rtt => self.rtt_us as f64,
            Term::Rtts => self.rtts as f64,
            Term::Seconds => seconds,
        }
    }
}

impl Measure {
    /// Adds what a service did in an interval of this many seconds.
    pub(super) fn add(&self, count: &mut Count, activities: &Activities, seconds: f64) {
        count.add(activities.term(self.of, seconds), activities.term(self.by, seconds));
    }

    /// Whether it is measured per second, so that intervals in which nothing was seen of a service
    /// count too.
    pub(super) fn is_by_second(&self) -> bool {
        matches!(self.by, Term::Seconds)
    }
}
