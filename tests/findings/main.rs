//! `tcpdiag diagnose` as a user meets it: real conditions, arguments, forms of output, the
//! documentation of its rules.
#![allow(missing_docs, reason = "tests explain themselves")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "what a test cannot do fails it"
)]

#[path = "../lab/mod.rs"]
mod lab;

mod arguments;
mod conditions;
mod documentation;
mod forms;
