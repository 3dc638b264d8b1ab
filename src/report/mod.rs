//! What other programs may rely on: the contents and shapes of the documents,
//! without colours or layout.

mod comparison;
mod connection;
mod coverage;
mod diagnosis;
mod diff;
mod document;
mod explain;
mod interval;
mod limiter;
mod services;
mod stats;
mod sysctl;
#[cfg(test)]
pub(crate) mod testing;

pub use comparison::{COMPARISON, ChangeRow, ComparedSide, ComparisonDocument, Share};
pub use connection::{Change, Connection, Holder, Interface, Namespace, Processes};
pub use coverage::{Coverage, Polls};
pub use diagnosis::{
    AdviceEntry, Checked, DIAGNOSE, DiagnosisDocument, ExampleEntry, FindingEntry, MeasureEntry,
    Naming, ProcessEntry, SubjectEntry, entries,
};
pub use diff::{DIFF, DiffChange, DiffDocument, DiffKind, DiffRow, DiffSide, DiffUnit};
pub use document::{Cost, Document, Quality, RowEnd};
pub use explain::{
    EXPLAIN, ExplainDocument, Explanation, LimitEntry, Recorded, RecordedValue, RulePage,
};
pub use interval::{INTERVAL_ROW, IntervalColumn, IntervalRow, Value, interval_columns};
pub use limiter::Limiter;
pub use services::{
    AttributionEntry, Frame, PartEntry, ServiceEntry, Services, ServicesEnd, ServicesLine,
};
pub use stats::{
    Basis, CounterQuality, CounterRow, Note, Outcome, RatioRow, STATS, Since, Stats, StatsEnd,
    StatsLine,
};
pub use sysctl::{SYSCTL, SettingRow, SysctlDocument, UseRow};
