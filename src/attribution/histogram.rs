//! Percentiles in constant memory.

/// Buckets per doubling: a bucket is 9 % wide, so its middle is off by 4.5 % at most.
const FINE: u32 = 8;
/// Doublings: up to 2^27 µs, two minutes.
const DOUBLINGS: u32 = 27;
const BUCKETS: usize = (DOUBLINGS * FINE) as usize;

/// A logarithmic histogram of times in microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: [u32; BUCKETS],
    total: u64,
    least: u64,
    most: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; BUCKETS], total: 0, least: u64::MAX, most: 0 }
    }
}

impl Histogram {
    /// Adds a value.
    pub fn add(&mut self, value: u64) {
        if let Some(count) = self.counts.get_mut(bucket(value)) {
            *count = count.saturating_add(1);
        }
        self.total += 1;
        self.least = self.least.min(value);
        self.most = self.most.max(value);
    }

    /// Adds another histogram's values.
    pub fn merge(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.saturating_add(more);
        }
        self.total += other.total;
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
    }

    /// Removes all values.
    pub fn clear(&mut self) {
        if self.total > 0 {
            *self = Self::default();
        }
    }

    /// The number of values.
    pub fn len(&self) -> u64 {
        self.total
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The smallest value that is not exceeded by this share (0 to 1) of the values.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let wanted = ((self.total as f64 * share).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        let found = self.counts.iter().position(|&count| {
            seen += u64::from(count);
            seen >= wanted
        })?;
        Some(middle(found).clamp(self.least, self.most))
    }
}

fn bucket(value: u64) -> usize {
    let bits = (value.max(1) as f64).log2() * f64::from(FINE);
    (bits as usize).min(BUCKETS - 1)
}

fn middle(bucket: usize) -> u64 {
    ((bucket as f64 + 0.5) / f64::from(FINE)).exp2().round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        for value in 1..=1000 {
            histogram.add(value * 100);
        }
        for (share, exact) in [(0.5, 50_000.0), (0.9, 90_000.0), (0.99, 99_000.0)] {
            let found = histogram.quantile(share).unwrap() as f64;
            assert!((found / exact - 1.0).abs() < 0.06, "{share}: {found}");
        }
        histogram.clear();
        for value in [0, 1, 7, u64::MAX] {
            histogram.add(value);
        }
        assert_eq!(histogram.quantile(0.0), Some(1));
        assert_eq!(histogram.len(), 4);
    }

    #[test]
    fn one_value_is_itself() {
        let mut histogram = Histogram::default();
        histogram.add(12_345);
        assert_eq!(histogram.quantile(0.5), Some(12_345));
    }
}
