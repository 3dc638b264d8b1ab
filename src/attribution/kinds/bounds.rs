//! The bounds of the table's cells: the extent of the transportation polytope.
//!
//! A row whose cells have limits, one group of which has joint limits, is a flow through a tree.
//! The most that it can have in a set of columns is a submodular function of the set, and these
//! functions add up over rows (Edmonds 1970; Frank, generalised polymatroids). So 64 numbers per
//! service, one per set of columns, describe everything that its sockets allow, whatever their
//! number. The bounds of a cell follow from the sets with and without its column.

use super::host::Host;
use super::row::Row;
use super::{COLUMNS, Columns, PROBE, RTO, SYN};

/// Sets of columns, as bits.
const SETS: usize = 1 << COLUMNS;

/// Every column.
const ALL: usize = SETS - 1;

const TIMER: usize = 1 << RTO | 1 << SYN;

/// The most that rows can have in each set of columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reach([u64; SETS]);

impl Default for Reach {
    fn default() -> Self {
        Self([0; SETS])
    }
}

impl Reach {
    /// Adds a row.
    pub(super) fn add_row(&mut self, row: &Row) {
        let limits = Limits::of(row);
        for (set, most) in self.0.iter_mut().enumerate() {
            let forced = limits.at_least(ALL & !set);
            *most += limits.at_most(set).min(row.total.saturating_sub(forced));
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(sum, more)| *sum += more);
    }

    /// This without a part that was added before.
    fn without(&self, part: &Self) -> Self {
        let mut rest = self.clone();
        rest.0.iter_mut().zip(&part.0).for_each(|(sum, less)| *sum = sum.saturating_sub(*less));
        rest
    }

    /// The most that a set can have.
    fn most(&self, set: usize) -> u64 {
        self.0.get(set).copied().unwrap_or(0)
    }

    /// The sum over all columns.
    pub(super) fn total(&self) -> u64 {
        self.most(ALL)
    }

    /// The least that a set must have: what the other columns cannot take.
    fn least(&self, set: usize) -> u64 {
        self.total().saturating_sub(self.most(ALL & !set))
    }
}

fn columns(set: usize) -> impl Iterator<Item = usize> {
    (0..COLUMNS).filter(move |column| set & 1 << column != 0)
}

/// Sums of a row's own limits over each set of columns.
struct Limits {
    low: [u64; SETS],
    high: [u64; SETS],
    timer: (u64, u64),
}

impl Limits {
    fn of(row: &Row) -> Self {
        Self { low: sums(&row.low), high: sums(&row.high), timer: row.timer }
    }

    fn low(&self, set: usize) -> u64 {
        self.low.get(set).copied().unwrap_or(0)
    }

    fn high(&self, set: usize) -> u64 {
        self.high.get(set).copied().unwrap_or(0)
    }

    /// The most that a set can have, ignoring the row's total.
    fn at_most(&self, set: usize) -> u64 {
        let timer = set & TIMER;
        let by_timer = match timer {
            0 => 0,
            timer => self.high(timer).min(self.timer.1.saturating_sub(self.low(TIMER & !timer))),
        };
        self.high(set & !TIMER) + by_timer
    }

    /// The least that a set must have, ignoring the row's total.
    fn at_least(&self, set: usize) -> u64 {
        let timer = set & TIMER;
        let by_timer = match timer {
            0 => 0,
            timer => self.low(timer).max(self.timer.0.saturating_sub(self.high(TIMER & !timer))),
        };
        self.low(set & !TIMER) + by_timer
    }
}

/// The sum over each set: the sum over the set without its lowest column, plus that column.
fn sums(columns: &Columns<u64>) -> [u64; SETS] {
    let mut sums = [0u64; SETS];
    for set in 1..SETS {
        let lowest = set.trailing_zeros() as usize;
        let others = sums.get(set & (set - 1)).copied().unwrap_or(0);
        if let Some(sum) = sums.get_mut(set) {
            *sum = others + columns.at(lowest);
        }
    }
    sums
}

/// How much the host's counters allow in each set of columns.
#[derive(Debug, Clone)]
pub(super) struct Margins {
    low: [u64; SETS],
    high: [u64; SETS],
}

impl Margins {
    /// From the counters, given that `rows` happened. Where the two contradict each other (the
    /// counters were read at another time), the counters are widened as far as needed.
    pub(super) fn new(host: &Host, rows: &Reach) -> Self {
        let total = rows.total();
        let excess = total.saturating_sub(host.total);
        let mut margins = Self { low: [0; SETS], high: [0; SETS] };
        for (set, (low, high)) in margins.low.iter_mut().zip(&mut margins.high).enumerate() {
            *high = host_most(host, set).saturating_add(if set == 0 { 0 } else { excess });
            *low = host_least(host, set);
        }
        let mut gap = 0;
        for (set, (low, high)) in margins.low.iter().zip(&margins.high).enumerate() {
            gap = gap.max(rows.least(set).saturating_sub(*high));
            gap = gap.max(low.saturating_sub(rows.most(set)));
        }
        for (low, high) in margins.low.iter_mut().zip(&mut margins.high) {
            *low = low.saturating_sub(gap);
            *high = high.saturating_add(gap).min(total);
        }
        margins
    }

    /// The bounds of one service's cells, where `all` is the sum of all rows.
    pub(super) fn cells(&self, own: &Reach, all: &Reach) -> [(u64, u64); COLUMNS] {
        let others = all.without(own);
        let mut most = [0; SETS];
        let mut least = [0; SETS];
        for (set, (most, least)) in most.iter_mut().zip(&mut least).enumerate() {
            let allowed = self.high.get(set).copied().unwrap_or(u64::MAX);
            let needed = self.low.get(set).copied().unwrap_or(0);
            *most = own.most(set).min(allowed.saturating_sub(others.least(set)));
            *least = own.least(set).max(needed.saturating_sub(others.most(set)));
        }
        std::array::from_fn(|column| {
            let bit = 1 << column;
            let mut cell = (0, own.most(bit));
            let pairs = most.iter().zip(&least).enumerate().filter(|(set, _)| set & bit == 0);
            for (set, (most_without, least_without)) in pairs {
                let with = set | bit;
                let most_with = most.get(with).copied().unwrap_or(u64::MAX);
                let least_with = least.get(with).copied().unwrap_or(0);
                cell.1 = cell.1.min(most_with.saturating_sub(*least_without));
                cell.0 = cell.0.max(least_with.saturating_sub(*most_without));
            }
            (cell.0.min(cell.1), cell.1)
        })
    }
}

const JOINT: usize = 1 << RTO | 1 << PROBE;

fn host_most(host: &Host, set: usize) -> u64 {
    let single =
        |set| columns(set).fold(0u64, |sum, column| sum.saturating_add(host.high.at(column)));
    single(set & !JOINT).saturating_add(single(set & JOINT).min(host.joint.1))
}

fn host_least(host: &Host, set: usize) -> u64 {
    let single = |set| columns(set).map(|column| host.low.at(column)).sum::<u64>();
    let joint = set & JOINT;
    let together = match joint {
        0 => 0,
        // The part of this column that the other one cannot take.
        joint => {
            let other = columns(JOINT & !joint).map(|column| host.high.at(column)).sum();
            single(joint).max(host.joint.0.saturating_sub(other))
        }
    };
    single(set & !JOINT) + together
}
