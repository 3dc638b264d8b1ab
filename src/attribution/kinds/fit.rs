//! The table of maximum entropy within the margins and limits.
//!
//! Iterative proportional fitting, on sockets. Each row is solved exactly (a factor times
//! prior times the columns' factors, cut at the limits, adds up to the row's total); then the
//! columns' factors are corrected. What the retransmission timer sent is a row of its own, so
//! that timeouts and probes, of which the host tells only the sum, are told apart by the rows.

use super::host::Host;
use super::row::Row;
use super::{COLUMNS, Columns, FAILED, FAST, PROBE, RTO, SLOW, SYN};

/// More rounds do not change a whole number.
const ROUNDS: usize = 80;

/// Columns are met this closely, in segments.
const CLOSE: f64 = 0.05;

/// A part of a row: what the timer sent, what it did not, or all of it.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// Which group of rows it counts for in the result.
    group: usize,
    total: f64,
    limit: Columns<f64>,
    prior: Columns<f64>,
}

/// The rows of all services, as parts.
#[derive(Debug, Default)]
pub(super) struct Fit {
    parts: Vec<Part>,
    groups: usize,
    /// Some row does not know its timeouts: then timeouts and probes need targets of their own.
    timeouts_unknown: bool,
}

impl Fit {
    /// Adds a row that counts for this group.
    pub(super) fn add(&mut self, group: usize, row: &Row) {
        self.groups = self.groups.max(group + 1);
        let limit = Columns(row.high.0.map(|high| high as f64));
        let part = |total: u64, columns: &[usize]| {
            let mut part =
                Part { group, total: total as f64, limit: Columns::default(), prior: row.prior };
            for &column in columns {
                part.limit.set(column, limit.at(column).min(part.total));
            }
            part
        };
        let Some(timeouts) = row.timeouts else {
            self.timeouts_unknown |= row.high.at(RTO) > 0;
            self.parts.push(part(row.total, &[FAST, SLOW, RTO, PROBE, SYN, FAILED]));
            return;
        };
        let mut by_timer = part(timeouts, &[RTO, SYN]);
        let mut rest = part(row.total - timeouts, &[FAST, SLOW, PROBE, SYN, FAILED]);
        if row.low.at(SYN) == row.total {
            by_timer.limit.set(RTO, 0.0);
            rest.limit = Columns::default();
            rest.limit.set(SYN, rest.total);
        } else {
            // Without the timer, only a server repeats a SYN-ACK, and seldom.
            let untimed = row.high.at(SYN).min(row.timer.1.saturating_sub(timeouts));
            rest.limit.set(SYN, (untimed as f64).min(rest.total));
            rest.prior.set(SYN, rest.prior.at(SYN) * 0.05);
        }
        self.parts.extend([by_timer, rest].into_iter().filter(|part| part.total > 0.0));
    }

    /// Solves; returns the table by group.
    pub(super) fn solve(&self, host: &Host) -> Vec<Columns<f64>> {
        let targets = self.targets(host);
        let mut factors = Columns([1.0; COLUMNS]);
        for _ in 0..ROUNDS {
            let mut sums = Columns::<f64>::default();
            for part in &self.parts {
                let cells = part.cells(&factors);
                sums.0.iter_mut().zip(cells.0).for_each(|(sum, cell)| *sum += cell);
            }
            if !self.correct(&mut factors, &sums, &targets) {
                break;
            }
        }
        let mut table = vec![Columns::<f64>::default(); self.groups];
        for part in &self.parts {
            let cells = part.cells(&factors);
            if let Some(row) = table.get_mut(part.group) {
                row.0.iter_mut().zip(cells.0).for_each(|(sum, cell)| *sum += cell);
            }
        }
        table
    }

    /// What the columns should come to, together as much as all rows.
    fn targets(&self, host: &Host) -> Columns<f64> {
        let mut targets = Columns(host.target.0.map(|target| target as f64));
        let rows: f64 = self.parts.iter().map(|part| part.total).sum();
        let sum: f64 = targets.0.iter().sum();
        let mut excess = rows - sum;
        let owed: f64 = host.owed.0.iter().map(|owed| *owed as f64).sum();
        if excess > 0.0 && owed > 0.0 {
            // Sockets show now what the host counted before.
            let part = (excess / owed).min(1.0);
            for (target, owed) in targets.0.iter_mut().zip(host.owed.0) {
                *target += part * owed as f64;
            }
            excess -= part * owed;
        }
        if excess > 0.0 {
            // Sockets show more than the host counted in this interval: most probably a child
            // that inherited its request's SYN-ACK repeats.
            let syn: f64 = self.parts.iter().map(|part| part.limit.at(SYN)).sum();
            let inherited = excess.min((syn - targets.at(SYN)).max(0.0));
            targets.set(SYN, targets.at(SYN) + inherited);
            excess -= inherited;
        }
        let sum = rows - excess;
        if sum > 0.0 && excess != 0.0 {
            targets.0.iter_mut().for_each(|target| *target *= rows / sum);
        } else if sum <= 0.0 {
            targets.set(RTO, rows);
        }
        targets
    }

    /// Brings the columns nearer to their targets. `false` when they are there.
    fn correct(
        &self,
        factors: &mut Columns<f64>,
        sums: &Columns<f64>,
        targets: &Columns<f64>,
    ) -> bool {
        let mut far = false;
        let mut correct = |columns: &[usize]| {
            let sum: f64 = columns.iter().map(|&column| sums.at(column)).sum();
            let target: f64 = columns.iter().map(|&column| targets.at(column)).sum();
            far |= (sum - target).abs() > CLOSE;
            let ratio = if sum > 0.0 { (target / sum).clamp(1e-3, 1e3) } else { 1.0 };
            for &column in columns {
                factors.set(column, (factors.at(column) * ratio).clamp(1e-12, 1e12));
            }
        };
        for column in [FAST, SLOW, SYN, FAILED] {
            correct(&[column]);
        }
        if self.timeouts_unknown {
            correct(&[RTO]);
            correct(&[PROBE]);
        } else {
            correct(&[RTO, PROBE]);
        }
        far
    }
}

impl Part {
    /// The cells under these factors: proportional, cut at the limits, adding up to the total.
    fn cells(&self, factors: &Columns<f64>) -> Columns<f64> {
        let weights: [f64; COLUMNS] =
            std::array::from_fn(|column| self.prior.at(column) * factors.at(column));
        let mut cells = Columns::<f64>::default();
        let mut open: [bool; COLUMNS] = std::array::from_fn(|column| self.limit.at(column) > 0.0);
        let mut left = self.total;
        // Each pass cuts at least one cell at its limit, or is the last.
        for _ in 0..=COLUMNS {
            let weight: f64 = open
                .iter()
                .zip(&weights)
                .filter(|(open, _)| **open)
                .map(|(_, weight)| weight)
                .sum();
            if weight <= 0.0 || left <= 0.0 {
                break;
            }
            let (part, mut cut) = (left, false);
            for (column, (open, weight_of)) in open.iter_mut().zip(&weights).enumerate() {
                let limit = self.limit.at(column);
                if *open && part * weight_of / weight > limit {
                    (*open, cut) = (false, true);
                    cells.set(column, limit);
                    left -= limit;
                }
            }
            if !cut {
                for (column, (_, weight_of)) in
                    open.iter().zip(&weights).enumerate().filter(|(_, (open, _))| **open)
                {
                    cells.set(column, part * weight_of / weight);
                }
                break;
            }
        }
        cells
    }
}
