//! Writing rows for people and programs. Pure: everything arrives as arguments
//! and leaves through a writer.
//!
//! Knows units, widths and escapes. Knows nothing of where figures come from.

mod address;
mod aligned;
mod column;
mod comparison;
mod delimited;
mod detail;
mod diagnosis;
mod diff;
pub mod escape;
mod explain;
pub mod human;
mod intervals;
mod json;
mod markdown;
mod services;
mod shorten;
mod stats;
mod style;
mod sysctl;
mod table;
mod wrap;

pub use aligned::{Aligned, Cell};
pub use column::{Align, Column, ColumnKind, all_columns, find_column};
pub use comparison::comparison;
pub use delimited::Delimited;
pub use detail::detail;
pub use diagnosis::{Telling, diagnosis};
pub use diff::diff;
pub use explain::explanation;
pub use intervals::{Flat, Intervals};
pub use json::{JsonLines, JsonStream, json_line};
pub use markdown::markdown;
pub use services::{
    CounterChoice, ServicesView, attribution_csv, services, services_csv, services_jsonl,
};
pub use stats::{Look, stats, threshold};
pub use style::{Style, Tone};
pub use sysctl::sysctl;
pub use table::{Layout, Table};
pub use wrap::wrap;
