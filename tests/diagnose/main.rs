//! `tcpdiag diagnose` against faults that are there for real.
//!
//! ```text
//! TCPDIAG_MATRIX_RUNS=3 TCPDIAG_WRITE_MATRIX=1 cargo test --test diagnose matrix -- --nocapture
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../lab/mod.rs"]
mod lab;

#[path = "../lab/faults/mod.rs"]
mod faults;

mod cases;
mod matrix;
mod recordings;
mod table;
