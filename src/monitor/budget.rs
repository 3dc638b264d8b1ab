//! How much processor time this program may take, measured on itself.

use std::time::Duration;

use crate::sys::Usage;

/// Unused time is saved up to this much.
const SAVED: Duration = Duration::from_secs(10);

/// An account of processor time: credits a share of the time that passes, debits what this program
/// used.
#[derive(Debug)]
pub struct CpuBudget {
    share: f64,
    /// Seconds. Negative when necessary work cost more than its share.
    left: f64,
    since: Usage,
}

impl CpuBudget {
    /// An empty account.
    pub fn new(share: f64) -> Self {
        Self { share, left: 0.0, since: Usage::now() }
    }

    /// Books credit and cost since the last call.
    pub fn settle(&mut self) {
        let used = self.since.elapsed();
        self.since = Usage::now();
        self.book(used.wall, used.user + used.system);
    }

    /// Books the credit since the last call, whatever this program used.
    pub(super) fn credit(&mut self) {
        let passed = self.since.elapsed().wall;
        self.since = Usage::now();
        self.book(passed, Duration::ZERO);
    }

    /// Books a cost.
    pub(super) fn debit(&mut self, used: Duration) {
        self.book(Duration::ZERO, used);
    }

    pub(super) fn book(&mut self, passed: Duration, used: Duration) {
        let left = self.left + passed.as_secs_f64() * self.share - used.as_secs_f64();
        self.left = left.min(self.most());
    }

    fn most(&self) -> f64 {
        SAVED.as_secs_f64() * self.share
    }

    /// Whether work of this cost can be afforded. A full account affords any cost.
    pub fn affords(&self, cost: Duration) -> bool {
        self.share > 0.0 && self.left >= cost.as_secs_f64().min(self.most())
    }
}

/// A share of one processor: `1%`, `0.5%`, `0.01`.
pub fn parse_share(text: &str) -> Result<f64, String> {
    let (number, unit) = match text.strip_suffix('%') {
        Some(number) => (number, 0.01),
        None => (text, 1.0),
    };
    number
        .trim()
        .parse::<f64>()
        .ok()
        .map(|number| number * unit)
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| format!("`{text}` is no share; accepted are 0% to 100%, such as 1% or 0.5%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_in_goes_out() {
        let mut budget = CpuBudget::new(0.01);
        let (second, cost) = (Duration::from_secs(1), Duration::from_millis(4));
        let mut polls = 0;
        // Half a minute in steps of 100 ms: 1 % of it is 300 ms.
        for _ in 0..300 {
            let affords = budget.affords(cost);
            budget.book(second / 10, if affords { cost } else { Duration::ZERO });
            polls += u32::from(affords);
        }
        assert!((73..=75).contains(&polls), "{polls}");
    }

    #[test]
    fn debts_are_paid_and_savings_bounded() {
        let mut budget = CpuBudget::new(0.01);
        budget.book(Duration::from_secs(1), Duration::from_millis(60));
        assert!(!budget.affords(Duration::from_micros(1)));
        budget.book(Duration::from_secs(3600), Duration::ZERO);
        assert!(budget.affords(Duration::from_secs(60)), "all there can be");
        budget.book(Duration::ZERO, Duration::from_millis(99));
        assert!(budget.affords(Duration::from_millis(1)));
        assert!(!budget.affords(Duration::from_millis(2)));
        assert!(!CpuBudget::new(0.0).affords(Duration::ZERO), "nothing is nothing");
    }

    #[test]
    fn shares() {
        for (text, wanted) in [("1%", 0.01), ("0.5 %", 0.005), ("0.25", 0.25), ("100%", 1.0)] {
            assert!((parse_share(text).unwrap() - wanted).abs() < 1e-12, "{text}");
        }
        for text in ["", "%", "-1%", "101%", "2", "nan", "1 percent"] {
            assert!(parse_share(text).unwrap_err().contains("accepted are"), "{text}");
        }
    }
}
