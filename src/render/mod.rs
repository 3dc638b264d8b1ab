//! Writing rows for people and programs. Pure: everything arrives as arguments
//! and leaves through a writer.
//!
//! Knows units, widths and escapes. Knows nothing of where figures come from.

mod address;
mod column;
mod delimited;
mod detail;
pub mod escape;
pub mod human;
mod json;
mod style;
mod table;

pub use column::{Align, Column, ColumnKind, all_columns, find_column};
pub use delimited::Delimited;
pub use detail::detail;
pub use json::{JsonLines, JsonStream};
pub use style::{Style, Tone};
pub use table::{Layout, Table};
