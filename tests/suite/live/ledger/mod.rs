//! The ledger over real connections whose every byte is known.

mod losses;
mod sums;
mod traffic;
mod watcher;
