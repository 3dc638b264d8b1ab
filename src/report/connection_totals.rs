//! The sums of a sample of connections.

use rustc_hash::FxHashMap;

use super::{Change, Connection};
use crate::model::{Field, State, fields};
use crate::monitor::Quality;

/// The sums of one sample, or of several.
#[derive(Debug, Default)]
pub struct ConnectionTotals {
    /// Rows written.
    pub shown: u64,
    /// Records that the kernel sent.
    pub listed: u64,
    /// Connections that are new.
    pub opened: u64,
    /// Connections that are gone.
    pub closed: u64,
    /// Segments retransmitted in the interval.
    pub retransmitted: u64,
    /// Segments sent in the interval.
    pub segments: u64,
    /// Whether the limit on rows ended the sample.
    pub limited: bool,
    /// Whether the user ended it.
    pub interrupted: bool,
    /// What limits its reliability.
    pub quality: Quality,
    states: FxHashMap<State, u64>,
}

impl ConnectionTotals {
    /// Rows of a state.
    pub fn by_state(&self, state: State) -> u64 {
        self.states.get(&state).copied().unwrap_or(0)
    }

    /// Adds another sample.
    pub fn add(&mut self, other: Self) {
        self.shown += other.shown;
        self.listed += other.listed;
        self.opened += other.opened;
        self.closed += other.closed;
        self.retransmitted += other.retransmitted;
        self.segments += other.segments;
        self.interrupted |= other.interrupted;
        self.quality.add(other.quality);
    }

    /// Counts a row that was written.
    pub fn count(&mut self, row: &Connection<'_>) {
        self.shown += 1;
        match row.change {
            Some(Change::Opened) => self.opened += 1,
            Some(Change::Closed) => return self.closed += 1,
            None => {}
        }
        *self.states.entry(row.socket.state).or_default() += 1;
        let growth =
            |field: &Field| row.delta.as_ref().and_then(|delta| delta.growth(field)).unwrap_or(0);
        self.retransmitted += growth(&fields::tcp_info::TOTAL_RETRANS);
        self.segments += growth(&fields::tcp_info::SEGS_OUT);
    }
}
