//! `tcpdiag services` against what the kernel itself tells of every segment.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../lab/mod.rs"]
mod lab;

mod accuracy;
mod churn;
mod endurance;
mod listeners;
mod observer;
mod owners;
mod replay;
mod traffic;
