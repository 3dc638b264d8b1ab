//! What intervals and namespaces come to.

use crate::attribute::{Accumulator, ServiceTable};
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
    /// Adds another namespace's part of the same interval.
    pub(super) fn add(&mut self, other: &Self) {
        self.table.add(&other.table);
        self.counters.add(&other.counters.total());
        self.coverage.add(&other.coverage);
        self.quality.add(other.quality.clone());
        self.dumped += other.dumped;
    }

    /// Adds the next interval, whose levels are those of the end.
    pub(super) fn follow(&mut self, next: &Self) {
        self.table.begin_poll();
        let limbo = next.coverage.limbo;
        self.add(next);
        self.coverage.limbo = limbo;
    }
}
