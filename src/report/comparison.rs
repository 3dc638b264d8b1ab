//! The document of `stats --against`.

use serde::Serialize;

use super::{Cost, CounterQuality, Document};
use crate::counters::{CounterWidth, Kind, Selection, category_of};
use crate::history::{BASELINE, Change, Comparison, Origin, Reading, Side, Span};
use crate::monitor::CounterWatch;
use crate::procfs::Host;
use crate::sys::Usage;

/// Schema of the whole document.
pub const COMPARISON: &str = "tcpdiag.stats.comparison/1";

/// One side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedSide {
    /// Seconds covered.
    pub seconds: f64,
    /// Segments in and out during that time.
    pub segments: u64,
}

/// One counter on one side.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// Number of events.
    pub count: u64,
    /// Per second; null if no time passed.
    pub per_second: Option<f64>,
    /// Per thousand segments; null if there were none.
    pub per_1000_segments: Option<f64>,
}

/// One counter on both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangeRow {
    /// nstat's name.
    pub name: String,
    /// Id of its category.
    pub category: String,
    /// Before the baseline.
    pub before: Share,
    /// Since the baseline, or on the other host.
    pub after: Share,
    /// The rate per segment after divided by the rate before.
    pub factor: Option<f64>,
}

/// The whole comparison.
#[derive(Debug, Serialize)]
pub struct ComparisonDocument<'a> {
    /// The envelope.
    #[serde(flatten)]
    pub document: Document<'a>,
    /// `since`: the baseline's totals against the time since; `totals`: two totals since boot.
    pub span: &'static str,
    /// The origin of the baseline.
    pub baseline: &'a Origin,
    /// The baseline's side.
    pub before: ComparedSide,
    /// The side compared with it.
    pub after: ComparedSide,
    /// Differences between the hosts, in words.
    pub differences: Vec<String>,
    /// Counters that went backwards.
    pub backwards: Vec<String>,
    /// Counters, largest relative change first.
    pub changes: Vec<ChangeRow>,
    /// What limits the reliability of the reading that is compared with the baseline.
    pub quality: CounterQuality,
    /// The cost of collecting it.
    pub cost: Cost,
}

impl<'a> ComparisonDocument<'a> {
    /// Compares the last reading of a namespace with a baseline, as to the selected counters.
    pub fn new(
        baseline: &'a Reading,
        watch: &CounterWatch,
        host: &'a Host,
        width: CounterWidth,
        selection: &Selection,
        usage: Usage,
    ) -> Self {
        let now = Reading::new(BASELINE, Origin::of(watch, host), &watch.now);
        let mut compared = Comparison::between(baseline, &now, width, Kind::of);
        compared.changes.retain(|change| selection.holds(&change.name));
        let side = |side: Side| ComparedSide { seconds: side.seconds, segments: side.segments };
        Self {
            document: Document {
                schema: COMPARISON,
                captured_at: watch.at.captured_at.clone(),
                host,
                netns: Some(watch.namespace.clone()),
                interval_s: None,
            },
            span: match compared.span {
                Span::Since => "since",
                Span::Totals => "totals",
            },
            baseline: &baseline.origin,
            before: side(compared.before),
            after: side(compared.after),
            changes: compared.changes.iter().map(|change| row(change, &compared)).collect(),
            differences: compared.differences,
            backwards: compared.backwards,
            quality: CounterQuality::of(&watch.now),
            cost: Cost::new(usage.elapsed(), 0),
        }
    }
}

fn row(change: &Change, compared: &Comparison) -> ChangeRow {
    let share = |count: u64, side: Side| Share {
        count,
        per_second: (side.seconds > 0.0).then(|| count as f64 / side.seconds),
        per_1000_segments: (side.segments > 0)
            .then(|| count as f64 * 1000.0 / side.segments as f64),
    };
    ChangeRow {
        name: change.name.clone(),
        category: category_of(&change.name).1.to_owned(),
        before: share(change.before, compared.before),
        after: share(change.after, compared.after),
        factor: change.factor,
    }
}
