//! Writes rows for people and programs. Pure: all input arrives as arguments, all output goes to a
//! writer.
//!
//! Contains units, widths and escapes. Does not collect or interpret figures.

mod address;
mod aligned;
mod cells;
mod closed;
mod column;
mod column_sets;
mod comparison;
mod connection_output;
mod connection_writer;
mod delimited;
mod detail;
mod diagnosis;
mod diagnosis_rows;
mod diff;
mod dropped;
mod explain;
mod form;
mod groups;
mod input_progress;
mod interval_rows;
mod intervals;
mod json;
mod line_table;
mod markdown;
mod messages;
mod progress;
mod reference;
mod requirements;
mod rows;
mod sample_lines;
mod services;
mod shorten;
mod socket_summary;
mod sort_key;
mod stats;
mod stats_writer;
mod style;
pub mod summary;
mod sysctl;
mod table;
mod wrap;
mod writer;

pub use aligned::{Aligned, Cell};
pub use cells::ends;
pub use closed::{
    ClosedForm, ClosedWriter, all_closed_columns, find_closed_column, list_closed_columns,
};
pub use column::{Align, Column, ColumnKind, all_columns, find_column};
pub use column_sets::{
    ColumnChoice, ColumnSets, Owners, ShownColumns, list_columns, record_columns,
};
pub use comparison::{comparison, comparison_csv, comparison_jsonl};
pub use connection_output::{ConnectionOutput, RowOrder};
pub use connection_writer::{ConnectionWriter, RowForm, RowSchema};
pub use delimited::Delimited;
pub use detail::detail;
pub use diagnosis::{DiagnosisView, diagnosis};
pub use diagnosis_rows::{diagnosis_csv, diagnosis_jsonl};
pub use diff::diff;
pub use dropped::dropped;
pub use explain::{explanation, explanation_csv};
pub use form::Form;
pub use groups::{
    GroupColumn, GroupColumns, GroupOrder, GroupSample, GroupWriter, UnknownGroupColumn,
    group_column, groups_summary,
};
pub use input_progress::InputProgress;
pub use interval_rows::{IntervalRows, UnknownColumn, named_interval_columns};
pub use intervals::{Flat, Intervals};
pub use json::{JsonLines, JsonStream, json_line};
pub use line_table::{LineColumn, LineLayout, LineTable};
pub use markdown::markdown;
pub use messages::{eprint_line, eprint_wrapped};
pub use progress::Progress;
pub use reference::Reference;
pub use requirements::Requirements;
pub use rows::{RowCell, Rows};
pub use sample_lines::{SampleLines, SampleSubject};
pub use services::{
    CounterChoice, ServicesView, ServicesWriter, attribution_csv, services, services_csv,
    services_jsonl, services_summary,
};
pub use socket_summary::socket_summary;
pub use stats::{TableLayout, stats, threshold};
pub use stats_writer::{StatsWriter, stats_summary};
pub use style::{Style, Tone};
pub use sysctl::{sysctl, sysctl_csv};
pub use table::{Layout, Table};
pub use wrap::wrap;
pub use writer::{OutputWriter, SafePart, SafeText};

pub use crate::text::{escape, human};
