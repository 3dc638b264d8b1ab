//! What a run of `services` watches, and how.

use std::path::PathBuf;
use std::time::Duration;

use crate::counters::Selection;
use crate::filter::Expr;
use crate::socket_diag::EventOptions;

/// Polls between the ends of intervals, as soon as a counter that indicates trouble moves.
#[derive(Debug, Clone, Copy)]
pub struct EarlyPolls {
    /// How often the counters are read for that; `None` without.
    pub every: Option<Duration>,
    /// The share of one processor that this program may take then.
    pub cpu_budget: f64,
}

/// What is watched.
#[derive(Debug)]
pub struct ServiceWatchOptions {
    /// Live namespaces, as they were named.
    pub netns: Vec<String>,
    /// The length of intervals; `None` for the recording's own.
    pub interval: Option<Duration>,
    /// The most intervals.
    pub count: Option<u64>,
    /// The longest time.
    pub duration: Option<Duration>,
    /// How destroy events are received; `None` for none.
    pub events: Option<EventOptions>,
    /// Counters that call for early polls; by default all that indicate trouble.
    pub selection: Option<Selection>,
    /// Only these sockets are attributed to their own services.
    pub sockets: Expr,
    /// When to poll early. Not for recordings.
    pub early: EarlyPolls,
    /// The file to which all that is read is recorded. Not for recordings.
    pub record: Option<PathBuf>,
}
