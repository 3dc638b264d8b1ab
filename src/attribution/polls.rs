//! How often namespaces were polled.

use serde::Serialize;

/// How often sockets and counters were read.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Polls {
    /// Regular polls of all sockets.
    pub regular: u64,
    /// Polls ahead of time, because a watched counter moved.
    pub early: u64,
    /// Early polls that the budget did not allow; null where a recording is read.
    pub skipped: Option<u64>,
    /// Times the counters were read; null where a recording is read.
    pub looks: Option<u64>,
    /// Times the counters were not read because the budget did not allow it; null where a recording
    /// is read.
    pub looks_skipped: Option<u64>,
    /// The share of one processor that polling may take; null where a recording is read.
    pub cpu_budget: Option<f64>,
}

impl Polls {
    /// Adds later polls; their budget applies.
    pub fn add(&mut self, later: &Self) {
        self.regular += later.regular;
        self.early += later.early;
        self.skipped = sum(self.skipped, later.skipped);
        self.looks = sum(self.looks, later.looks);
        self.looks_skipped = sum(self.looks_skipped, later.looks_skipped);
        self.cpu_budget = later.cpu_budget;
    }
}

/// The sum of the known values.
fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.zip(other).map(|(one, other)| one + other).or(one).or(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_add_up() {
        let mut polls = Polls { regular: 1, cpu_budget: Some(0.01), ..Polls::default() };
        let later = Polls {
            regular: 1,
            early: 4,
            skipped: Some(2),
            looks: Some(50),
            looks_skipped: Some(7),
            cpu_budget: Some(0.02),
        };
        polls.add(&later);
        let sum = Polls { regular: 2, ..later };
        assert_eq!(polls, sum);
    }
}
