//! The document of `diff`.

use serde::Serialize;

/// Schema of the whole document.
pub const DIFF: &str = "tcpdiag.diff/1";

/// One of the two that are compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DiffSide {
    /// The recording.
    pub file: String,
    /// The host that it is of.
    pub hostname: String,
    /// That host's kernel.
    pub kernel: String,
    /// When the first interval began, RFC 3339.
    pub from: String,
    /// When the last one ended.
    pub to: String,
    /// Seconds that the intervals come to.
    pub seconds: f64,
    /// Intervals between two samples.
    pub intervals: u64,
}

/// What a row is about.
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

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DiffChange {
    /// It is on the second side only.
    Appeared,
    /// It is on the first side only.
    Gone,
    /// It is another by more than chance.
    Changed,
    /// Chance may have made the difference.
    Same,
}

/// What the values of a row are.
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
    /// What it is about.
    pub kind: DiffKind,
    /// The service, the ratio's id or the counter's name.
    pub name: String,
    /// Of a service: `server`, `client` or `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// What was measured.
    pub measure: &'static str,
    /// In which unit.
    pub unit: DiffUnit,
    /// What became of it.
    pub change: DiffChange,
    /// On the first side; null where there was nothing to measure.
    pub a: Option<f64>,
    /// On the second.
    pub b: Option<f64>,
    /// The second by the first.
    pub factor: Option<f64>,
    /// The difference, in standard deviations of what chance makes.
    pub sigma: Option<f64>,
    /// What the rows are ordered by.
    #[serde(skip)]
    pub effect: f64,
}

/// The whole of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DiffDocument {
    /// [`DIFF`].
    pub schema: &'static str,
    /// The first side.
    pub a: DiffSide,
    /// The second.
    pub b: DiffSide,
    /// What is not farther apart than this is the same.
    pub sigma: f64,
    /// Biggest effect first.
    pub changes: Vec<DiffRow>,
    /// Rows that are left out, being the same.
    pub same: u64,
    /// What was missing in the recordings, in words.
    pub gaps: Vec<String>,
}
