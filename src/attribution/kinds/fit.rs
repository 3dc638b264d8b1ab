//! The table of maximum entropy within the margins and limits.
//!
//! Iterative proportional fitting, on sockets. Each row is solved exactly: factor times prior times
//! the columns' factors, cut at the limits, adds up to the row's total. Then the columns' factors
//! are corrected. Segments sent by the retransmission timer form a separate row. The host gives
//! only the sum of timeouts and probes; these rows tell the two apart.

use super::host::Host;
use super::row::Row;
use super::{COLUMNS, Columns, FAILED, FAST, PROBE, RTO, SLOW, SYN};

/// Further rounds do not change a whole number.
const ROUNDS: usize = 80;

/// How closely the fit meets the columns' targets, in segments.
const CLOSE: f64 = 0.05;

/// A part of a row: the segments that the timer sent, the others, or all of them.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// The group of rows in the result to which it belongs.
    group: usize,
    total: f64,
    limit: Columns<f64>,
    prior: Columns<f64>,
}

/// The rows of all services, split into parts.
#[derive(Debug, Default)]
pub(super) struct Fit {
    parts: Vec<Part>,
    groups: usize,
    /// Some row has no count of its timeouts: timeouts and probes then need separate targets.
    timeouts_unknown: bool,
}

impl Fit {
    /// Adds a row to this group.
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
            // Without the timer only a server repeats a SYN-ACK, and rarely.
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

    /// The columns' targets, scaled so that together they equal the sum of the rows.
    fn targets(&self, host: &Host) -> Columns<f64> {
        let mut targets = Columns(host.target.0.map(|target| target as f64));
        let rows: f64 = self.parts.iter().map(|part| part.total).sum();
        let sum: f64 = targets.0.iter().sum();
        let mut excess = rows - sum;
        let carried_over: f64 =
            host.carried_over.0.iter().map(|carried_over| *carried_over as f64).sum();
        if excess > 0.0 && carried_over > 0.0 {
            // Sockets show what the host counted in the interval before.
            let part = (excess / carried_over).min(1.0);
            for (target, carried_over) in targets.0.iter_mut().zip(host.carried_over.0) {
                *target += part * carried_over as f64;
            }
            excess -= part * carried_over;
        }
        if excess > 0.0 {
            // Sockets show more than the host counted in this interval. Most probably a child
            // inherited the SYN-ACK repeats of its request.
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

    /// Brings the columns nearer to their targets. Returns `false` once they are met.
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
