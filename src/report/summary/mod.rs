//! All sockets of a host in a few lines.

mod document;
mod sums;

pub use document::{
    CounterGrowth, ListenerEntry, Listeners, NamedCount, Omitted, SUMMARY, SummaryDocument, Trouble,
};
pub use sums::{Families, SummarySums, TroubledListener};
