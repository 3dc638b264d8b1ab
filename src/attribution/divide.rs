//! Divides one sum among rows with limits.

/// How much one row can have had.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Share {
    /// At least this much.
    pub(crate) low: u64,
    /// At most this much; [`u64::MAX`] for no limit.
    pub(crate) high: u64,
    /// The amount between the limits is divided in proportion to this.
    pub(crate) weight: f64,
    /// More than this is possible but improbable.
    pub(crate) likely: u64,
}

impl Share {
    /// Exactly this value.
    pub(crate) fn exactly(value: u64) -> Self {
        Self { low: value, high: value, weight: 0.0, likely: value }
    }

    /// Between two values, with a weight.
    pub(crate) fn between(low: u64, high: u64, weight: f64) -> Self {
        Self { low, high: high.max(low), weight, likely: high.max(low) }
    }

    /// The same, with values above `likely` improbable.
    #[must_use]
    pub(crate) fn likely(mut self, likely: u64) -> Self {
        self.likely = likely.clamp(self.low, self.high);
        self
    }
}

/// A value with the interval in which the truth lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Estimate {
    /// The best guess.
    pub value: u64,
    /// Not less than this.
    pub low: u64,
    /// Not more than this.
    pub high: u64,
}

impl Estimate {
    /// A value that is known.
    pub fn exactly(value: u64) -> Self {
        Self { value, low: value, high: value }
    }

    /// Adds another interval's estimate.
    pub fn add(&mut self, other: Self) {
        self.value += other.value;
        self.low = self.low.saturating_add(other.low);
        self.high = self.high.saturating_add(other.high);
    }
}

/// The result: one estimate per row, and the rest.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Division {
    pub(crate) rows: Vec<Estimate>,
    pub(crate) outside: u64,
}

/// Divides `total` among `rows`. `outside` is the part that no row had; it takes what is improbable
/// for the rows.
///
/// The bounds are the rows' own limits, narrowed because all must add up: a row has at least what
/// is left when all others have their most. If the rows' lower limits exceed the total (the sockets
/// and the counter were read at different times), the lower limits give way.
pub(crate) fn divide(total: u64, rows: &[Share], outside: Share) -> Division {
    let mut values: Vec<u64> = rows.iter().map(|row| row.low).collect();
    let lows: u64 = values.iter().fold(0, |sum, low| sum.saturating_add(*low));
    if lows > total {
        shrink(&mut values, total);
        let tight = rows.iter().zip(&values).map(|(row, &value)| Estimate {
            value,
            low: value.min(total.saturating_sub(lows - row.low)),
            high: row.high.min(total).max(value),
        });
        return Division { rows: tight.collect(), outside: 0 };
    }
    let kept = outside.low.min(total - lows);
    let mut left = total - lows - kept;
    // First up to the likely limit, then up to the possible one if a row must have had it.
    fill(&mut values, rows, &mut left, |row| row.likely);
    let available = outside.high.saturating_sub(kept);
    let taken = left.min(available);
    left -= taken;
    fill(&mut values, rows, &mut left, |row| row.high);
    let outside_value = kept + taken + left;
    let highs = rows.iter().fold(0u64, |sum, row| sum.saturating_add(row.high.min(total)));
    let outside_high = outside.high.max(outside_value).min(total);
    let estimates = rows.iter().zip(&values).map(|(row, &value)| {
        let others_most = (highs - row.high.min(total)).saturating_add(outside_high);
        let others_least = lows - row.low + kept;
        Estimate {
            value,
            low: row.low.max(total.saturating_sub(others_most)).min(value),
            high: row.high.min(total - others_least).max(value),
        }
    });
    Division { rows: estimates.collect(), outside: outside_value }
}

/// Raises values in proportion to the rows' weights, each up to its limit, until nothing is left or
/// nothing fits. Whole numbers by largest remainder.
fn fill(values: &mut [u64], rows: &[Share], left: &mut u64, limit: impl Fn(&Share) -> u64) {
    // Each round either uses everything up or fills a row to its limit.
    while *left > 0 {
        let open = || rows.iter().enumerate();
        let available = |at: usize, row: &Share, values: &[u64]| {
            limit(row).saturating_sub(values.get(at).copied().unwrap_or(0))
        };
        let is_open = |at: usize, row: &Share, values: &[u64]| {
            row.weight > 0.0 && available(at, row, values) > 0
        };
        let weights: f64 =
            open().filter(|(at, row)| is_open(*at, row, values)).map(|(_, row)| row.weight).sum();
        if weights <= 0.0 {
            return;
        }
        let before = *left;
        let mut given = 0;
        let mut remainders: Vec<(f64, usize)> = Vec::new();
        for (at, row) in open() {
            if !is_open(at, row, values) {
                continue;
            }
            let ideal = before as f64 * (row.weight / weights);
            let whole = (ideal as u64).min(available(at, row, values)).min(before - given);
            if let Some(value) = values.get_mut(at) {
                *value += whole;
                given += whole;
            }
            remainders.push((ideal - whole as f64, at));
        }
        *left = before - given;
        if given > 0 && *left as usize > remainders.len() {
            continue;
        }
        remainders.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for (_, at) in remainders {
            let Some((row, value)) = rows.get(at).zip(values.get_mut(at)) else { continue };
            if *left > 0 && *value < limit(row) {
                *value += 1;
                *left -= 1;
            }
        }
    }
}

/// Lowers values in proportion until they add up to `total`.
fn shrink(values: &mut [u64], total: u64) {
    let rows: Vec<Share> = values
        .iter()
        .map(|&value| Share { low: 0, high: value, weight: value as f64, likely: value })
        .collect();
    values.fill(0);
    let mut left = total;
    fill(values, &rows, &mut left, |row| row.high);
}

#[cfg(test)]
#[path = "divide_tests.rs"]
mod tests;
