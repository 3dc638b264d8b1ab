//! Sockets by what they have in common: `conns --by`, and the parts of `summary`.

mod document;
mod figures;
mod group_table;
mod key;
mod sink;

pub use document::{
    FiguresEntry, GroupDocument, GroupEntry, GroupRowEnd, GroupRowLine, GroupView, RestEntry,
};
pub use figures::Figures;
pub use group_table::{Group, GroupTable};
pub use key::{GroupKey, KeyValue};
pub use sink::{SampleSums, SumSink};
