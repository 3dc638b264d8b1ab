//! Whole numbers from the fitted table, with the same margins.

use super::{COLUMNS, Columns};

/// A row in the making.
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

    /// How much worse the row gets when one segment moves.
    fn price(&self, from: usize, to: usize) -> f64 {
        let off = |column: usize, value: f64| (value - self.ideal(column)).abs();
        let (here, there) = (self.value(from) as f64, self.value(to) as f64);
        off(from, here - 1.0) - off(from, here) + off(to, there + 1.0) - off(to, there)
    }

    fn may_move(&self, from: usize, to: usize) -> bool {
        self.value(from) > self.low.at(from) && self.value(to) < self.high.at(to)
    }

    /// Whole numbers within the limits that add up to the row's total, by largest remainder.
    fn settle(&mut self) {
        for column in 0..COLUMNS {
            let (low, high) = (self.low.at(column), self.high.at(column));
            self.value.set(column, (self.ideal(column) as u64).clamp(low, high.max(low)));
        }
        // Few steps: the ideal adds up to the total but for fractions and what limits cut off.
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
            // In one go as far as this column goes; a step at a time near the end.
            let (room, off) = if missing {
                (self.high.at(column) - self.value(column), self.total - sum)
            } else {
                (self.value(column) - self.low.at(column), sum - self.total)
            };
            let step = (gap(&column).abs() as u64).clamp(1, room.min(off));
            let value = self.value(column);
            self.value.set(column, if missing { value + step } else { value - step });
        }
    }
}

/// Rounds all rows, then moves segments within rows until the columns come to `targets`, as far
/// as the limits let them: rows are what sockets say and go before.
pub(super) fn round(rows: &mut [Cells], targets: &Columns<u64>) {
    rows.iter_mut().for_each(Cells::settle);
    let mut sums = Columns::<u64>::default();
    for row in rows.iter() {
        for column in 0..COLUMNS {
            sums.set(column, sums.at(column) + row.value(column));
        }
    }
    // Every path moves at least one segment from a column with too many to one with too few.
    let imbalance = |sums: &Columns<u64>| -> u64 {
        (0..COLUMNS).map(|column| sums.at(column).saturating_sub(targets.at(column))).sum()
    };
    let mut left = imbalance(&sums);
    while left > 0 {
        let Some(path) = path(rows, &sums, targets) else { return };
        for pair in path.windows(2) {
            if let [from, to] = *pair {
                shift(rows, &mut sums, from, to);
            }
        }
        left = left.saturating_sub(1);
    }
}

/// The shortest way, through rows that can spare a segment in one column for the next.
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

/// Moves one segment where it costs least.
fn shift(rows: &mut [Cells], sums: &mut Columns<u64>, from: usize, to: usize) {
    let cheapest = rows
        .iter_mut()
        .filter(|row| row.may_move(from, to))
        .min_by(|a, b| a.price(from, to).total_cmp(&b.price(from, to)));
    if let Some(row) = cheapest {
        row.value.set(from, row.value(from) - 1);
        row.value.set(to, row.value(to) + 1);
        sums.set(from, sums.at(from).saturating_sub(1));
        sums.set(to, sums.at(to) + 1);
    }
}
