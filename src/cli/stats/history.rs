//! The last run's reading, as far as it can be had.

use super::watch::Watch;
use crate::history::{HistoryError, LastRun, Reading, state_directory};
use crate::procfs::Host;

/// Exchanges readings with the next and the last run. What went wrong is said, and the
/// counters are shown without.
pub(super) fn exchange(
    watch: &Watch,
    host: &Host,
    forget: bool,
) -> (Option<Reading>, Option<String>) {
    let exchanged = state_directory().and_then(|directory| {
        LastRun::new(&directory, watch.namespace.inode).exchange(
            &watch.origin(host),
            &watch.now,
            forget,
        )
    });
    match exchanged {
        Ok(before) => (before, None),
        Err(error) => (None, Some(advice(&error))),
    }
}

/// The error, and what to do where that is not plain.
fn advice(error: &HistoryError) -> String {
    match error {
        HistoryError::Foreign { .. } => format!("{error}; remove it, or use --no-history"),
        _ => format!("{error}; --no-history does without"),
    }
}
