//! The contents and shapes of the documents, which other programs may rely on, without colours or
//! layout, and the consumers that make them from polls.

mod comparison;
mod connection;
mod connection_poller;
mod connection_rows;
mod connection_totals;
mod diagnosis;
mod diff;
mod document;
mod explain;
mod groups;
mod interval;
mod kept_connection;
mod limiter;
mod services;
mod stats;
mod stats_report;
mod summary;
mod sysctl;
mod sysctl_report;
#[cfg(test)]
pub(crate) mod testing;

pub use crate::attribution::{Coverage, Polls};
pub use crate::monitor::{Holder, Interface, Namespace, Processes, Quality};
pub use comparison::{COMPARISON, ChangeRow, ComparedSide, ComparisonDocument, Share};
pub use connection::{Change, Connection, ListenerGroupEntry};
pub use connection_poller::{ConnectionPoller, PollerSettings};
pub use connection_rows::{RowOptions, RowSink};
pub use connection_totals::ConnectionTotals;
pub use diagnosis::{
    AdviceEntry, Checked, DIAGNOSE, DiagnosisDocument, ExampleEntry, ExplainedEntry, FindingEntry,
    MeasureEntry, ProcessEntry, SubjectEntry,
};
pub use diff::{DIFF, DiffChange, DiffDocument, DiffKind, DiffRow, DiffSide, DiffUnit};
pub use document::{Cost, Document, RowEnd};
pub use explain::{
    EXPLAIN, ExplainDocument, Explanation, LimitEntry, Recorded, RecordedValue, RulePage,
};
pub use groups::{
    Figures, FiguresEntry, Group, GroupDocument, GroupEntry, GroupKey, GroupRowEnd, GroupRowLine,
    GroupTable, GroupView, KeyValue, RestEntry, SampleSums, SumSink,
};
pub use interval::{INTERVAL_ROW, IntervalColumn, IntervalRow, Value, interval_columns};
pub use kept_connection::KeptConnection;
pub use limiter::Limiter;
pub use services::{
    AttributionEntry, Frame, PartEntry, ServiceEntry, ServiceOrder, Services, ServicesEnd,
    ServicesLine,
};
pub use stats::{
    Basis, CounterQuality, CounterRow, Note, Outcome, RatioRow, STATS, Since, Stats, StatsEnd,
    StatsLine,
};
pub use stats_report::{Past, StatsReporter};
pub use summary::{
    CounterGrowth, Families, ListenerEntry, Listeners, NamedCount, Omitted, SUMMARY,
    SummaryDocument, SummarySums, Trouble, TroubledListener,
};
pub use sysctl::{SYSCTL, SettingRow, SysctlDocument, UseRow};
pub use sysctl_report::{NamespaceSettings, UnknownSetting, choose_settings};
