//! What intervals and namespaces come to.

use crate::attribution::{Accumulator, ServiceTable};
use crate::report::{Coverage, Quality};

/// Everything there is to say of an interval in one namespace, or of several together.
#[derive(Debug, Default)]
pub(super) struct Sum {
    pub(super) table: ServiceTable,
    pub(super) counters: Accumulator,
    pub(super) coverage: Coverage,
    pub(super) quality: Quality,
    /// Records that the kernel sent.
    pub(super) dumped: u64,
}

impl Sum {
    /// Adds another namespace's part of the same interval, levels included.
    pub(super) fn add(&mut self, other: &Self) {
        let closing_unconfirmed =
            self.coverage.closing_unconfirmed + other.coverage.closing_unconfirmed;
        self.counters.join(&other.counters.total());
        self.put(other);
        self.coverage.closing_unconfirmed = closing_unconfirmed;
    }

    /// Adds the next interval, whose levels are those of the end.
    pub(super) fn follow(&mut self, next: &Self) {
        self.table.begin_poll();
        self.counters.add(&next.counters.total());
        self.put(next);
    }

    fn put(&mut self, other: &Self) {
        self.table.add(&other.table);
        self.coverage.add(&other.coverage);
        self.quality.add(other.quality.clone());
        self.dumped += other.dumped;
    }
}
