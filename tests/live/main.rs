//! Live tests: real sockets, in a network namespace that each test makes for
//! itself, compared with what tcpdiag says of them.
//!
//! No privilege is needed where user namespaces are allowed; what the
//! environment forbids is skipped and said so. With
//! `TCPDIAG_REQUIRE_PRIVILEGED=1` a skip is a failure.
//!
//! ```text
//! cargo test --test live
//! TCPDIAG_REQUIRE_PRIVILEGED=1 cargo test --test live      # as root, for all of them
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../lab/mod.rs"]
mod lab;

mod filters;
mod interval;
mod listeners;
mod namespaces;
mod owners;
mod roles;
mod ss_parity;
mod tcp_info;
