//! The public types: snapshots, monitors and recordings.
//!
//! Built on [`crate::monitor`]; the command line does not use them.

mod collector;
mod error;
mod filter;
mod interval;
mod live;
mod names;
mod recorded;
mod row;
mod rules;
mod snapshot;

pub use error::Error;
pub use filter::Filter;
pub use interval::{AcceptQueues, CounterPart, CounterRow, Interval, ServiceRow};
pub use live::{Monitor, MonitorOptions};
pub use recorded::{Intervals, Recording, RecordingOptions, Snapshots};
pub use row::{Figure, Owner, Owners, SocketRow};
pub use rules::ServiceRules;
pub use snapshot::{Snapshot, SnapshotOptions};

use std::time::{Duration, SystemTime};

use crate::sys::Clocks;

/// The wall clock's time of a poll.
fn wall_time(at: Clocks) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(at.realtime_ns)
}

/// The time between two polls. The wall clock may be set in between.
fn between(one: Clocks, other: Clocks) -> Duration {
    Duration::from_nanos(other.monotonic_ns.saturating_sub(one.monotonic_ns))
}
