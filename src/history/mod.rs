//! Readings of the past: the last run's, and baselines that were saved; and whether two times
//! differ by more than chance.
//!
//! Knows files, locks and how not to destroy what is not ours. Knows no netlink and no output.

mod baseline;
mod contrast;
mod error;
mod growth;
mod last_run;
mod reading;
mod state_directory;
#[cfg(test)]
mod tests;

pub use baseline::{Change, Comparison, Side, Span, load, save};
pub use contrast::{Contrast, Count};
pub use error::HistoryError;
pub use growth::{Grown, growth};
pub use last_run::LastRun;
pub use reading::{BASELINE, HISTORY, Origin, Reading};
pub use state_directory::state_directory;
