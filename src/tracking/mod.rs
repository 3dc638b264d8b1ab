//! What each socket did since the last poll, from dumps and destroy events.
//!
//! Handles cookies, opened and closed sockets, wraps and resets. Knows no services and no output.

mod activity;
mod counters;
mod delta;
mod identity;
mod last_seen;
mod latest;
mod table;
mod tracked;
mod tracker;

pub use activity::{Activity, Ending, Observed, Totals, Watch};
pub use counters::COUNTERS;
pub use delta::Delta;
pub use identity::Identity;
pub use last_seen::{LastSeen, Sign};
pub use latest::{Latest, Movement};
pub(crate) use table::{HasCookie, SocketTable};
pub use tracker::SocketTracker;
