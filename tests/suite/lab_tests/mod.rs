//! Tests of the laboratory itself: that links lose and delay as they should, and that the
//! figures tests compare with are true.
//!
//! ```text
//! cargo test --test suite lab_tests:: -- --nocapture      # as root, for the kernel's trace
//! ```

mod cleanliness;
mod faulty;
mod links;
mod recordings;
mod traffic;
mod truth;
