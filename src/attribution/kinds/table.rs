//! Builds the table of one interval.

use rustc_hash::FxHashMap;

use super::super::divide::Estimate;
use super::super::growth::Growth;
use super::super::interval::Interval;
use super::super::work::Work;
use super::bounds::{Margins, Reach};
use super::fit::Fit;
use super::host::Host;
use super::round::{Cells, round};
use super::row::Row;
use super::{COLUMNS, Columns, FAILED, PROBE, RTO, RetransmitKind, SYN};
use crate::identity::ServiceId;

/// One service's retransmits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KindRow {
    /// All retransmits of its sockets and half-open connections. Exact.
    pub total: u64,
    kinds: [Estimate; 5],
    /// Retransmits that failed to be sent. The kinds and these add up to the total.
    pub failed: Estimate,
}

impl KindRow {
    /// Retransmits of one kind.
    pub fn kind(&self, kind: RetransmitKind) -> Estimate {
        self.kinds.get(kind as usize).copied().unwrap_or_default()
    }

    /// Adds another interval's row.
    pub fn add(&mut self, other: &Self) {
        self.total += other.total;
        self.kinds.iter_mut().zip(other.kinds).for_each(|(sum, more)| sum.add(more));
        self.failed.add(other.failed);
    }

    /// The values, as a row of the table.
    pub(super) fn columns(&self) -> Columns<u64> {
        let mut columns = Columns::default();
        for (column, estimate) in self.kinds.iter().chain([&self.failed]).enumerate() {
            columns.set(column, estimate.value);
        }
        columns
    }

    fn from_cells(cells: &Cells) -> Self {
        let estimate = |column: usize| Estimate {
            value: cells.value.at(column),
            low: cells.low.at(column).min(cells.value.at(column)),
            high: cells.high.at(column).max(cells.value.at(column)),
        };
        Self { total: cells.total, kinds: std::array::from_fn(estimate), failed: estimate(FAILED) }
    }
}

/// Retransmits by kind and service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KindTable {
    /// Services that had any, in the order of their numbers.
    pub services: Vec<(ServiceId, KindRow)>,
    /// Retransmits that the host counted and no service had.
    pub outside: KindRow,
}

/// Stands for retransmits that no service had.
const OUTSIDE: ServiceId = ServiceId(u32::MAX);

/// The rows of an interval's table, and the host's counters.
#[derive(Debug)]
pub(in super::super) struct KindTableBuilder {
    host: Option<Host>,
    rows: Vec<Row>,
    /// Retransmits of closed sockets.
    by_closed: u64,
}

impl KindTableBuilder {
    /// A table without sockets.
    pub(in super::super) fn new(interval: &Interval<'_>) -> Self {
        let requests = interval.requests.iter().filter(|requests| requests.repeats > 0);
        let rows = requests.map(|requests| Row::of_requests(requests.service, requests.repeats));
        Self { host: Host::of(interval), rows: rows.collect(), by_closed: 0 }
    }

    /// Adds a socket, if it retransmitted anything.
    pub(in super::super) fn add(&mut self, work: &Work, growth: &Growth) {
        if let Some(host) = &self.host
            && let Some(row) = Row::of(work, growth, host)
        {
            self.by_closed += if work.activity.closed { row.total } else { 0 };
            self.rows.push(row);
        }
    }

    /// Solves the table. Empty if nothing was retransmitted or the host does not count it.
    pub(in super::super) fn solve(mut self, interval: &Interval<'_>) -> KindTable {
        let Some(mut host) = self.host else { return KindTable::default() };
        host.widen((self.by_closed as f64 * interval.late).ceil() as u64);
        let known: u64 = self.rows.iter().map(|row| row.total).sum();
        if known < host.total {
            let mut outside = Row::anything(OUTSIDE, host.total - known);
            if !interval.has_gaps() && host.total - known > host.skew {
                // Every socket is known, so these are SYN-ACKs of half-open connections.
                outside.prior.set(SYN, 100.0);
            }
            self.rows.push(outside);
        }
        table_of(&self.rows, &host)
    }
}

fn table_of(rows: &[Row], host: &Host) -> KindTable {
    let mut positions: FxHashMap<ServiceId, usize> = FxHashMap::default();
    let mut services: Vec<(ServiceId, Reach)> = Vec::new();
    let mut fit = Fit::default();
    for row in rows {
        let position = *positions.entry(row.service).or_insert_with(|| {
            services.push((row.service, Reach::default()));
            services.len() - 1
        });
        if let Some((_, reach)) = services.get_mut(position) {
            reach.add_row(row);
        }
        fit.add(position, row);
    }
    let mut all = Reach::default();
    services.iter().for_each(|(_, reach)| all.add(reach));
    let margins = Margins::new(host, &all);
    let fitted = fit.solve(host);
    let mut cells: Vec<Cells> = services
        .iter()
        .zip(fitted)
        .map(|((_, own), ideal)| {
            let bounds = margins.cells(own, &all);
            Cells {
                total: own.total(),
                ideal,
                low: Columns(bounds.map(|(low, _)| low)),
                high: Columns(bounds.map(|(_, high)| high)),
                value: Columns::default(),
            }
        })
        .collect();
    let targets = targets(host, &cells);
    round(&mut cells, &targets);
    let mut table = KindTable::default();
    for ((service, _), cells) in services.iter().zip(&cells) {
        let row = KindRow::from_cells(cells);
        if *service == OUTSIDE {
            table.outside = row;
        } else {
            table.services.push((*service, row));
        }
    }
    table.services.sort_by_key(|(service, _)| *service);
    table
}

/// Whole numbers for the columns. The fit decides how timeouts and probes divide.
fn targets(host: &Host, cells: &[Cells]) -> Columns<u64> {
    let fitted = |column: usize| cells.iter().map(|row| row.ideal.at(column)).sum::<f64>();
    let total: u64 = cells.iter().map(|row| row.total).sum();
    let mut targets = host.target;
    let joint = host.target.at(RTO) + host.target.at(PROBE);
    // As far as the cells and the count of probes allow.
    let sum = |of: fn(&Cells) -> Columns<u64>, column: usize| {
        cells.iter().map(|row| of(row).at(column)).fold(0u64, u64::saturating_add)
    };
    let most_probes = sum(|row| row.high, PROBE).min(host.high.at(PROBE));
    let least = sum(|row| row.low, RTO).max(joint.saturating_sub(most_probes));
    let most = sum(|row| row.high, RTO).min(joint - sum(|row| row.low, PROBE).min(joint));
    let rto = (fitted(RTO).round() as u64).min(most).max(least).min(joint);
    targets.set(RTO, rto);
    targets.set(PROBE, joint - rto);
    if targets.sum() != total {
        // The host counted less than the sockets show: the fit has decided where the excess goes.
        for column in 0..COLUMNS {
            targets.set(column, fitted(column).round() as u64);
        }
    }
    targets
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
