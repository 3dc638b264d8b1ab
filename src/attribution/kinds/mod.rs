//! Retransmits by kind and service.
//!
//! The kernel counts kinds per host and retransmits per socket. These are the margins of the table
//! of kinds per service. A socket without a timeout repeated nothing after one; a socket whose
//! handshake was over repeated no SYN. With such zeros and limits per socket, the margins leave a
//! polytope of possible tables. Its extent gives the bounds (`bounds`), its point of maximum
//! entropy the values (`fit`, `round`). Few sockets and short intervals make the polytope small,
//! down to a point.

mod bounds;
mod fit;
mod host;
mod round;
mod row;
mod table;

pub(super) use table::KindTableBuilder;
pub use table::{KindRow, KindTable};

/// Columns of the table: the five kinds, and retransmits that failed.
const COLUMNS: usize = 6;

/// Why a segment was sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RetransmitKind {
    /// Retransmitted after duplicate or selective acknowledgements reported a loss.
    Fast,
    /// Retransmitted in slow start after a timeout.
    SlowStart,
    /// Retransmitted by the timeout itself.
    Rto,
    /// A tail loss probe.
    Probe,
    /// A SYN or SYN-ACK.
    Syn,
}

impl RetransmitKind {
    /// All kinds, in the order of the output.
    pub const ALL: [Self; 5] = [Self::Fast, Self::SlowStart, Self::Rto, Self::Probe, Self::Syn];

    /// The name used in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::SlowStart => "slow_start",
            Self::Rto => "rto",
            Self::Probe => "probe",
            Self::Syn => "syn",
        }
    }
}

/// One number per column.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Columns<T>([T; COLUMNS]);

const FAST: usize = 0;
const SLOW: usize = 1;
const RTO: usize = 2;
const PROBE: usize = 3;
const SYN: usize = 4;
const FAILED: usize = 5;

impl<T: Copy + Default> Columns<T> {
    fn at(&self, column: usize) -> T {
        self.0.get(column).copied().unwrap_or_default()
    }

    fn set(&mut self, column: usize, value: T) {
        if let Some(cell) = self.0.get_mut(column) {
            *cell = value;
        }
    }
}

impl Columns<u64> {
    fn sum(&self) -> u64 {
        self.0.iter().sum()
    }
}
