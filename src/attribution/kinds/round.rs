//! Whole numbers from the fitted table, with the same margins.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use super::{COLUMNS, Columns};

/// A row while it is rounded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cells {
    pub(super) total: u64,
    pub(super) ideal: Columns<f64>,
    pub(super) low: Columns<u64>,
    pub(super) high: Columns<u64>,
    pub(super) value: Columns<u64>,
}

impl Cells {
    fn ideal(&self, column: usize) -> f64 {
        self.ideal.at(column)
    }

    fn value(&self, column: usize) -> u64 {
        self.value.at(column)
    }

    /// How much worse the row fits when one segment moves.
    fn price(&self, from: usize, to: usize) -> f64 {
        let off = |column: usize, value: f64| (value - self.ideal(column)).abs();
        let (here, there) = (self.value(from) as f64, self.value(to) as f64);
        off(from, here - 1.0) - off(from, here) + off(to, there + 1.0) - off(to, there)
    }

    fn may_move(&self, from: usize, to: usize) -> bool {
        self.value(from) > self.low.at(from) && self.value(to) < self.high.at(to)
    }

    /// Rounds to whole numbers within the limits that add up to the row's total, by largest
    /// remainder.
    fn settle(&mut self) {
        for column in 0..COLUMNS {
            let (low, high) = (self.low.at(column), self.high.at(column));
            self.value.set(column, (self.ideal(column) as u64).clamp(low, high.max(low)));
        }
        // Few steps: the ideal values add up to the total except for fractions and limits.
        loop {
            let sum = self.value.sum();
            let missing = sum < self.total;
            let gap = |column: &usize| self.ideal(*column) - self.value(*column) as f64;
            let columns = 0..COLUMNS;
            let found = if missing {
                columns
                    .filter(|&column| self.value(column) < self.high.at(column))
                    .max_by(|a, b| gap(a).total_cmp(&gap(b)))
            } else if sum > self.total {
                columns
                    .filter(|&column| self.value(column) > self.low.at(column))
                    .min_by(|a, b| gap(a).total_cmp(&gap(b)))
            } else {
                None
            };
            let Some(column) = found else { break };
            // As far as this column allows in one step; single steps near the end.
            let (available, off) = if missing {
                (self.high.at(column) - self.value(column), self.total - sum)
            } else {
                (self.value(column) - self.low.at(column), sum - self.total)
            };
            let step = (gap(&column).abs() as u64).clamp(1, available.min(off));
            let value = self.value(column);
            self.value.set(column, if missing { value + step } else { value - step });
        }
    }
}

/// Rounds all rows, then moves segments within rows until the columns add up to `targets`, as far
/// as the limits allow. Rows take precedence, because they come from the sockets.
pub(super) fn round(rows: &mut [Cells], targets: &Columns<u64>) {
    rows.iter_mut().for_each(Cells::settle);
    let mut sums = Columns::<u64>::default();
    for row in rows.iter() {
        for column in 0..COLUMNS {
            sums.set(column, sums.at(column) + row.value(column));
        }
    }
    let imbalance = |sums: &Columns<u64>| -> u64 {
        (0..COLUMNS).map(|column| sums.at(column).saturating_sub(targets.at(column))).sum()
    };
    // Each path moves at least one segment from a column with too many to one with too few.
    let mut left = imbalance(&sums);
    while left > 0 {
        let Some(path) = path(rows, &sums, targets) else { return };
        let most = excess(&path, &sums, targets).min(left);
        left -= move_along(rows, &mut sums, &path, most).clamp(1, left);
    }
}

/// How many segments can move along this path before one of its ends reaches its target.
fn excess(path: &[usize], sums: &Columns<u64>, targets: &Columns<u64>) -> u64 {
    let (Some(&first), Some(&last)) = (path.first(), path.last()) else { return 0 };
    let over = sums.at(first).saturating_sub(targets.at(first));
    over.min(targets.at(last).saturating_sub(sums.at(last)))
}

/// Moves at most this many segments along a path, each in the cheapest row. Returns how many moved.
fn move_along(rows: &mut [Cells], sums: &mut Columns<u64>, path: &[usize], most: u64) -> u64 {
    let mut steps: Vec<Step> = path
        .windows(2)
        .filter_map(
            |pair| if let [from, to] = *pair { Some(Step::new(rows, from, to)) } else { None },
        )
        .collect();
    for moved in 0..most {
        // A step never closes the next one: it fills the column from which the next one takes.
        if !steps.iter_mut().all(|step| step.is_open(rows)) {
            return moved;
        }
        for at in 0..steps.len() {
            let changed = steps.get_mut(at).and_then(|step| step.shift(rows, sums));
            // The row's prices have changed, in the other steps too.
            let Some(changed) = changed else { continue };
            steps.iter_mut().for_each(|step| step.offer(rows, changed));
        }
    }
    most
}

/// The shortest path through rows that can move a segment from one column to the next.
fn path(rows: &[Cells], sums: &Columns<u64>, targets: &Columns<u64>) -> Option<Vec<usize>> {
    let over = |column: usize| sums.at(column) > targets.at(column);
    let under = |column: usize| sums.at(column) < targets.at(column);
    let mut paths: Vec<Vec<usize>> =
        (0..COLUMNS).filter(|&column| over(column)).map(|column| vec![column]).collect();
    let mut seen: u32 = paths.iter().flatten().fold(0, |seen, column| seen | 1 << column);
    while !paths.is_empty() {
        let mut longer = Vec::new();
        for path in &paths {
            let Some(&from) = path.last() else { continue };
            for to in 0..COLUMNS {
                if seen & 1 << to != 0 || !rows.iter().any(|row| row.may_move(from, to)) {
                    continue;
                }
                seen |= 1 << to;
                let mut path = path.clone();
                path.push(to);
                if under(to) {
                    return Some(path);
                }
                longer.push(path);
            }
        }
        paths = longer;
    }
    None
}

/// Moves segments from one column to another: the rows that can, cheapest first.
struct Step {
    from: usize,
    to: usize,
    offers: BinaryHeap<Reverse<Offer>>,
}

/// A row's price for moving a segment when the row last changed; valid while the price is the same.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Offer {
    price: f64,
    row: usize,
}

impl Eq for Offer {}

impl PartialOrd for Offer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Offer {
    fn cmp(&self, other: &Self) -> Ordering {
        self.price.total_cmp(&other.price).then(self.row.cmp(&other.row))
    }
}

impl Step {
    fn new(rows: &[Cells], from: usize, to: usize) -> Self {
        let mut step = Self { from, to, offers: BinaryHeap::new() };
        (0..rows.len()).for_each(|row| step.offer(rows, row));
        step
    }

    /// The row's current price, if it can move a segment.
    fn ask(&self, rows: &[Cells], row: usize) -> Option<f64> {
        let cells = rows.get(row).filter(|cells| cells.may_move(self.from, self.to))?;
        Some(cells.price(self.from, self.to))
    }

    fn offer(&mut self, rows: &[Cells], row: usize) {
        if let Some(price) = self.ask(rows, row) {
            self.offers.push(Reverse(Offer { price, row }));
        }
    }

    /// Whether some row can move a segment. Discards outdated offers.
    fn is_open(&mut self, rows: &[Cells]) -> bool {
        while let Some(&Reverse(Offer { price, row })) = self.offers.peek() {
            if self.ask(rows, row) == Some(price) {
                return true;
            }
            self.offers.pop();
        }
        false
    }

    /// Moves one segment in the cheapest row. Returns that row.
    fn shift(&mut self, rows: &mut [Cells], sums: &mut Columns<u64>) -> Option<usize> {
        if !self.is_open(rows) {
            return None;
        }
        let Reverse(Offer { row, .. }) = self.offers.pop()?;
        let (from, to, cells) = (self.from, self.to, rows.get_mut(row)?);
        cells.value.set(from, cells.value(from) - 1);
        cells.value.set(to, cells.value(to) + 1);
        sums.set(from, sums.at(from).saturating_sub(1));
        sums.set(to, sums.at(to) + 1);
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_segment_moves_where_it_costs_least() {
        // All segments begin in the first column; later rows prefer the second column more. The
        // last row must not move any.
        let mut rows: Vec<Cells> = (0..100)
            .map(|row| {
                let more = f64::from(row) / 1000.0;
                Cells {
                    total: 1,
                    ideal: Columns([0.6 - more, 0.4 + more, 0.0, 0.0, 0.0, 0.0]),
                    low: Columns::default(),
                    high: Columns([1, u64::from(row < 99), 1, 0, 0, 0]),
                    value: Columns::default(),
                }
            })
            .collect();
        round(&mut rows, &Columns([60, 40, 0, 0, 0, 0]));
        let second: Vec<usize> = (0..100).filter(|&row| rows[row].value(1) == 1).collect();
        assert_eq!(second, (59..99).collect::<Vec<_>>());
        assert!(rows.iter().all(|row| row.value.sum() == 1));
    }
}
