//! What a recording holds in all, and why it ended.

use super::Ending;

/// What was recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RecordedTotals {
    /// Complete samples.
    pub samples: u64,
    /// Records of dumps.
    pub sockets: u64,
    /// Destroy events.
    pub events: u64,
    /// Destroy events that were lost.
    pub events_lost: u64,
    /// Datagrams of other processes, which were discarded.
    pub foreign: u64,
}

impl RecordedTotals {
    /// Adds others.
    pub fn add(&mut self, other: Self) {
        self.samples += other.samples;
        self.sockets += other.sockets;
        self.events += other.events;
        self.events_lost += other.events_lost;
        self.foreign += other.foreign;
    }

    /// The note that ends a recording.
    pub fn ending(&self, why: &str) -> Ending {
        let Self { samples, sockets, events, events_lost, .. } = *self;
        Ending { why: why.to_owned(), samples, sockets, events, events_lost }
    }
}

/// Why a recording ends, if nothing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// It has as many samples as were asked for.
    Count,
    /// Its time is over.
    Duration,
    /// It has its largest size.
    Size,
    /// The user ended it.
    Interrupted,
    /// Another file follows.
    Rotated,
    /// It is the content of a ring.
    Kept,
}

impl EndReason {
    /// As [`Ending`] has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Duration => "duration",
            Self::Size => "size",
            Self::Interrupted => "interrupted",
            Self::Rotated => "rotated",
            Self::Kept => "kept",
        }
    }
}
