//! The document of `stats --against`.

use serde::Serialize;

use super::{Cost, Document};
use crate::history::Origin;

/// Schema of the whole document.
pub const COMPARISON: &str = "tcpdiag.stats.comparison/1";

/// One side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedSide {
    /// Seconds that it covers.
    pub seconds: f64,
    /// Segments in and out in that time.
    pub segments: u64,
}

/// One counter on one side.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// Events.
    pub count: u64,
    /// Per second; null where no time passed.
    pub per_second: Option<f64>,
    /// Per thousand segments; null where there were none.
    pub per_1000_segments: Option<f64>,
}

/// One counter on both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangeRow {
    /// nstat's name.
    pub name: String,
    /// Id of its category.
    pub category: String,
    /// Up to the baseline.
    pub before: Share,
    /// Since then, or of the other host.
    pub after: Share,
    /// Per segment afterwards by per segment before.
    pub factor: Option<f64>,
}

/// The whole comparison.
#[derive(Debug, Serialize)]
pub struct ComparisonDocument<'a> {
    /// The envelope.
    #[serde(flatten)]
    pub document: Document<'a>,
    /// `since`: the baseline's own past against the time since; `totals`: two counts from zero.
    pub span: &'static str,
    /// Where the baseline comes from.
    pub baseline: &'a Origin,
    /// What it covers.
    pub before: ComparedSide,
    /// What is compared with it.
    pub after: ComparedSide,
    /// What differs between the hosts, in words.
    pub differences: Vec<String>,
    /// Counters that fell.
    pub backwards: Vec<String>,
    /// Counters, biggest relative change first.
    pub changes: Vec<ChangeRow>,
    /// What it cost.
    pub cost: Cost,
}
