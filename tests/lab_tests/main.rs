//! The laboratory itself: that its links are as bad as they should be, and
//! that its truth is true.
//!
//! ```text
//! cargo test --test lab -- --nocapture      # as root, for the kernel's trace
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

mod cleanliness;
mod faulty;
mod links;
mod recordings;
mod traffic;
mod truth;
