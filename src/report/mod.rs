//! The contents and shapes of the documents, which other programs may rely on, without colours or
//! layout, and the consumers that make them from polls.

mod chosen_service;
mod closed_rows;
mod closed_run;
mod comparison;
mod connection;
mod connection_poller;
mod connection_rows;
mod connection_totals;
mod diagnosis;
mod diff;
mod document;
mod ended;
mod explain;
mod groups;
mod interval;
mod kept_connection;
mod kill;
mod limiter;
mod sample_line;
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
pub use chosen_service::ChosenService;
pub use closed_rows::{ClosedContext, ClosedSink};
pub use closed_run::{ClosedOptions, ClosedRun};
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
pub use ended::{ClosedEnd, ClosedLine, End, Ended, Lifetime};
pub use explain::{
    EXPLAIN, ExplainDocument, Explanation, LimitEntry, Recorded, RecordedValue, RulePage,
};
pub use groups::{
    Figures, FiguresEntry, Group, GroupDocument, GroupEntry, GroupKey, GroupRowEnd, GroupRowLine,
    GroupTable, GroupView, KeyValue, RestEntry, SampleSums, SumSink,
};
pub use interval::{INTERVAL_ROW, IntervalColumn, IntervalRow, Value, interval_columns};
pub use kept_connection::KeptConnection;
pub use kill::{KILL, KillDocument, KillEntry, KillLine};
pub use limiter::Limiter;
pub use sample_line::{LineSums, SampleLine};
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
