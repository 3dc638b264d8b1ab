//! Compares the two sides.

use super::measure::{MEASURES, VOLUME};
use super::side::Side;
use crate::history::{Contrast, Count};
use crate::report::{DIFF, DiffChange, DiffDocument, DiffKind, DiffRow, DiffSide, DiffUnit};

/// Smaller differences may be due to chance.
const SIGMA: f64 = 3.0;

/// Compares two sides; with `all` also what is the same.
pub fn compare(before: &Side, after: &Side, all: bool) -> DiffDocument {
    let mut rows = services(before, after);
    rows.extend(ratios(before, after));
    rows.extend(counters(before, after));
    let total = rows.len();
    rows.retain(|row| all || row.change != DiffChange::Same);
    rows.sort_by(|one, other| {
        other.effect.total_cmp(&one.effect).then_with(|| one.name.cmp(&other.name))
    });
    let about = |side: &Side| {
        let unknown = || DiffSide {
            clock_steps: Vec::new(),
            file: String::new(),
            hostname: String::new(),
            kernel: String::new(),
            from: String::new(),
            to: String::new(),
            seconds: side.seconds,
            intervals: side.intervals,
        };
        side.about.clone().unwrap_or_else(unknown)
    };
    DiffDocument {
        schema: DIFF,
        a: about(before),
        b: about(after),
        sigma: SIGMA,
        same: (total - rows.len()) as u64,
        changes: rows,
        gaps: [before.missing.clone(), after.missing.clone()].concat(),
    }
}

/// A measure on both sides.
struct Both<'a> {
    kind: DiffKind,
    name: &'a str,
    role: Option<&'static str>,
    measure: &'static str,
    unit: DiffUnit,
    timed: bool,
}

impl Both<'_> {
    /// The row; `None` where nothing was to be measured on either side, or nothing was there.
    fn row(&self, a: &Count, b: &Count) -> Option<DiffRow> {
        let contrast = Contrast::between(a, b, self.timed)?;
        if a.events == 0.0 && b.events == 0.0 {
            return None;
        }
        let change = match contrast.is_beyond(SIGMA) {
            false => DiffChange::Same,
            true if a.events == 0.0 => DiffChange::Appeared,
            true if b.events == 0.0 => DiffChange::Gone,
            true => DiffChange::Changed,
        };
        Some(DiffRow {
            kind: self.kind,
            name: self.name.to_owned(),
            role: self.role,
            measure: self.measure,
            unit: self.unit,
            change,
            a: a.rate(),
            b: b.rate(),
            factor: contrast.factor,
            sigma: contrast.sigma,
            effect: contrast.effect,
        })
    }
}

fn services(before: &Side, after: &Side) -> Vec<DiffRow> {
    let mut rows = Vec::new();
    let mut names: Vec<_> = before.services.keys().chain(after.services.keys()).collect();
    names.sort();
    names.dedup();
    for key in names {
        let (name, role) = key;
        let of = |at: usize| -> Option<Both<'_>> {
            let measure = MEASURES.get(at)?;
            Some(Both {
                kind: DiffKind::Service,
                name,
                role: Some(role),
                measure: measure.name,
                unit: measure.unit,
                timed: measure.timed,
            })
        };
        match (before.services.get(key), after.services.get(key)) {
            (Some(a), Some(b)) => {
                let pairs = a.iter().zip(b).enumerate();
                rows.extend(pairs.filter_map(|(at, (a, b))| of(at)?.row(a, b)));
            }
            (one, other) => {
                let only = one.or(other).and_then(|counts| counts.get(VOLUME));
                let (Some(both), Some(only)) = (of(VOLUME), only) else { continue };
                let gone = one.is_some();
                let rate = only.rate();
                rows.push(DiffRow {
                    kind: both.kind,
                    name: name.clone(),
                    role: both.role,
                    measure: both.measure,
                    unit: both.unit,
                    change: if gone { DiffChange::Gone } else { DiffChange::Appeared },
                    a: rate.filter(|_| gone),
                    b: rate.filter(|_| !gone),
                    factor: None,
                    sigma: None,
                    // As if there had been half a segment.
                    effect: (only.events / 0.5 + 1.0).ln(),
                });
            }
        }
    }
    rows
}

fn ratios(before: &Side, after: &Side) -> Vec<DiffRow> {
    let pairs = after.ratios.iter().filter_map(|(name, b)| {
        let a = before.ratios.get(name)?;
        let both = Both {
            kind: DiffKind::Ratio,
            name,
            role: None,
            measure: "share",
            unit: DiffUnit::Share,
            timed: false,
        };
        both.row(a, b)
    });
    pairs.collect()
}

fn counters(before: &Side, after: &Side) -> Vec<DiffRow> {
    let pairs = after.counters.iter().filter_map(|(name, b)| {
        // What one of the kernels does not count cannot be compared.
        let a = before.counters.get(name)?;
        let both = Both {
            kind: DiffKind::Counter,
            name,
            role: None,
            measure: "growth",
            unit: DiffUnit::PerSecond,
            timed: false,
        };
        both.row(a, b)
    });
    pairs.collect()
}
