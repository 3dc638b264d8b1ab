//! The tests that run the program, decode captures or make sockets: one binary, so that the
//! laboratory is compiled and linked once.
//!
//! ```text
//! cargo test --test suite live::                                # one subject
//! TCPDIAG_REQUIRE_PRIVILEGED=1 cargo test --test suite          # as root, to run all of them
//! ```
//!
//! Tests that need namespaces start this binary again for that one test (`lab::run`), so they
//! share neither descriptors nor threads nor sockets with other tests. The rest share one
//! process and the host's namespace, and look only at their own sockets. What replaces the
//! global allocator is in `tests/allocations`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test prints what it measures"
)]
#![allow(missing_docs, reason = "a test's name says what it tests")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod attribution;
mod cli;
mod counters;
mod decode;
mod diagnosis;
mod lab;
mod lab_tests;
mod live;
mod recordings;
