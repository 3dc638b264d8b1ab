//! Writes groups of sockets in any form.

mod column;
mod writer;

pub use column::{GroupColumn, GroupColumns, UnknownGroupColumn, group_column};
pub use writer::{GroupOrder, GroupSample, GroupWriter, groups_summary};
