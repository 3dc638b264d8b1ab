//! From snapshots to change: what each socket did since it was last seen.
//!
//! Knows cookies, births, deaths, wraps and resets. Knows no services and no
//! output.

mod account;
mod accounts;
mod activity;
mod counters;
mod delta;
mod identity;
mod last_seen;
mod latest;
mod ledger;

pub(crate) use accounts::{Accounts, Holder};
pub use activity::{Activity, Ending, Entered, Totals, Watch};
pub use counters::COUNTERS;
pub use delta::Delta;
pub use identity::Identity;
pub use last_seen::{LastSeen, Sign};
pub use latest::{Latest, Movement};
pub use ledger::Ledger;
