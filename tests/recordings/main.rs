//! Recordings: what goes in comes out, what is damaged ends clearly, and others can read them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../fixtures/capture.rs"]
#[allow(dead_code, reason = "the tests of the captures use more of it")]
mod capture;
#[path = "../lab/mod.rs"]
mod lab;
#[path = "../fixtures/script.rs"]
#[allow(dead_code, reason = "the tests of the captures use more of it")]
mod script;

mod anonymise;
mod captures;
mod command;
mod content;
mod convert;
mod damage;
mod diff;
mod early_end;
mod fixtures;
mod keys;
mod namespaces;
mod narrowing;
mod refusals;
mod replay;
mod ring;
mod rotation;
mod tshark;
