//! What stops a comparison.

use crate::monitor::MonitorError;

/// Why a recording cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum ComparisonError {
    /// A sample could not be polled.
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    /// There are no two samples in the span.
    #[error("{name}: no interval between two samples in that span; its first sample is of {first}")]
    NoInterval {
        /// The recording.
        name: String,
        /// When its first sample was taken.
        first: String,
    },
}
