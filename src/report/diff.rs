//! The document of `diff`.

use serde::Serialize;

use crate::monitor::WallClockStep;

/// Schema of the whole document.
pub const DIFF: &str = "tcpdiag.diff/1";

/// One of the two sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DiffSide {
    /// The recording.
    pub file: String,
    /// The recorded host.
    pub hostname: String,
    /// That host's kernel.
    pub kernel: String,
    /// Start of the first interval, RFC 3339.
    pub from: String,
    /// End of the last interval.
    pub to: String,
    /// Total length of the intervals, in seconds.
    pub seconds: f64,
    /// Intervals between two samples.
    pub intervals: u64,
    /// Where the wall clock was set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clock_steps: Vec<WallClockStep>,
}

/// The subject of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DiffKind {
    /// A service, by its sockets.
    Service,
    /// A ratio of the host's counters.
    Ratio,
    /// A counter of the host.
    Counter,
}

/// How a measure changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DiffChange {
    /// Present on the second side only.
    Appeared,
    /// Present on the first side only.
    Gone,
    /// Differs by more than chance.
    Changed,
    /// Chance may explain the difference.
    Same,
}

/// The unit of a row's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum DiffUnit {
    /// Events per second.
    #[serde(rename = "per_second")]
    PerSecond,
    /// Bytes per second.
    #[serde(rename = "bytes_per_second")]
    BytesPerSecond,
    /// A share, 0 to 1.
    #[serde(rename = "share")]
    Share,
    /// Microseconds.
    #[serde(rename = "microseconds")]
    Microseconds,
}

/// One measure on both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DiffRow {
    /// Its subject.
    pub kind: DiffKind,
    /// The service, the ratio's id or the counter's name.
    pub name: String,
    /// A service's role: `server`, `client` or `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// The measure.
    pub measure: &'static str,
    /// Its unit.
    pub unit: DiffUnit,
    /// Its change.
    pub change: DiffChange,
    /// The value on the first side; null if there is none.
    pub a: Option<f64>,
    /// The value on the second side.
    pub b: Option<f64>,
    /// The second value divided by the first.
    pub factor: Option<f64>,
    /// The difference in standard deviations.
    pub sigma: Option<f64>,
    /// The sort key of the rows.
    #[serde(skip)]
    pub effect: f64,
}

/// The whole document.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DiffDocument {
    /// [`DIFF`].
    pub schema: &'static str,
    /// The first side.
    pub a: DiffSide,
    /// The second side.
    pub b: DiffSide,
    /// Differences up to this many standard deviations count as equal.
    pub sigma: f64,
    /// Rows, largest effect first.
    pub changes: Vec<DiffRow>,
    /// Rows left out because they are equal.
    pub same: u64,
    /// What is missing in the recordings, in words.
    pub gaps: Vec<String>,
}
