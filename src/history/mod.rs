//! Past readings (the last run's, and saved baselines), and tests whether two periods differ by
//! more than chance.
//!
//! Contains files, locks and protection of other programs' files. It does not use netlink and
//! formats no output.

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
pub use last_run::exchange;
pub use reading::{BASELINE, Origin, Reading};
