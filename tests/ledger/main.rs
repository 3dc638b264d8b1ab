//! The ledger against truth: real connections in a network namespace that each
//! test makes for itself, captures of five kernels, and the allocator.
//!
//! No privilege is needed where user namespaces are allowed; what the
//! environment forbids is skipped and said so. With
//! `TCPDIAG_REQUIRE_PRIVILEGED=1` a skip is a failure.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod fixtures;
mod ground;
mod losses;
mod memory;
mod sums;
mod traffic;
mod watcher;
