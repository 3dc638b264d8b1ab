//! The ledger over real connections with known byte counts.

mod losses;
mod sums;
mod traffic;
mod watcher;
