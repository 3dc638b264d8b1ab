//! From snapshots to change: what each socket did since it was last seen.
//!
//! Knows cookies, wraps and resets. Knows no services and no output.

mod activity;
mod delta;
mod ledger;

pub use activity::{Activity, Identity};
pub use delta::{COUNTERS, Delta};
pub use ledger::{Ledger, Movement};
