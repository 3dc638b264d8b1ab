//! Tests of the lab itself: links lose and delay as configured, and the reference figures are
//! correct.
//!
//! ```text
//! cargo test --test suite lab_tests:: -- --nocapture      # as root, for the kernel's trace
//! ```

mod accidents;
mod cleanliness;
mod faulty;
mod links;
mod recordings;
mod traffic;
mod truth;
