//! When the counters are read between the ends of intervals.

use std::time::Duration;

use super::budget::CpuBudget;
use crate::sys::Usage;

/// The part of the budget for early polls that may be spent on finding out whether there is a
/// reason for one.
const PART: f64 = 0.5;

/// Takes turns between namespaces, as often as a processor budget allows. Reading the counters of
/// one takes some 100 us: of 200 namespaces, ten times per second, a fifth of a processor.
#[derive(Debug)]
pub struct Looks {
    budget: CpuBudget,
    /// Whose turn it is.
    next: usize,
    /// Namespaces that are left in this round.
    left: usize,
    /// The cost of the last look.
    cost: Duration,
}

impl Looks {
    /// For a program that may take this share of one processor with early polls.
    pub fn new(share: f64) -> Self {
        Self { budget: CpuBudget::new(share * PART), next: 0, left: 0, cost: Duration::ZERO }
    }

    /// Begins a round over this many namespaces.
    pub fn begin_round(&mut self, namespaces: usize) {
        self.budget.credit();
        self.left = namespaces;
    }

    /// The number of the namespace whose turn it is; `None` when the round is over, or the budget
    /// is spent: then the next round begins with it.
    pub fn next(&mut self, namespaces: usize) -> Option<usize> {
        if self.left == 0 || namespaces == 0 || !self.budget.affords(self.cost) {
            return None;
        }
        self.left -= 1;
        let turn = self.next % namespaces;
        self.next = turn + 1;
        Some(turn)
    }

    /// How many namespaces did not get a turn in this round.
    pub fn left_out(&self) -> u64 {
        self.left as u64
    }

    /// Looks, and debits the cost.
    pub fn look<T>(&mut self, look: impl FnOnce() -> T) -> T {
        let usage = Usage::now();
        let result = look();
        let used = usage.elapsed();
        self.cost = used.user + used.system;
        self.budget.debit(self.cost);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_go_on_where_the_budget_ended_them() {
        let mut looks = Looks::new(0.02);
        looks.cost = Duration::from_micros(400);
        let mut seen = vec![0; 3];
        for _ in 0..30 {
            looks.budget.book(Duration::from_millis(100), Duration::ZERO);
            looks.left = 3;
            while let Some(turn) = looks.next(3) {
                seen[turn] += 1;
                looks.budget.debit(looks.cost);
            }
        }
        // Half of 2 % of 3 s is 30 ms: 75 looks of 400 us.
        assert_eq!(seen, [25, 25, 25]);
        let mut none = Looks::new(0.0);
        none.begin_round(3);
        assert_eq!((none.next(3), none.left_out()), (None, 3));
    }
}
