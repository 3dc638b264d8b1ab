//! `stats`, `explain` and `sysctl` as a user meets them.
#![allow(missing_docs, reason = "tests explain themselves")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a test cannot do fails it")]

mod advice;
mod allocations;
mod command;
mod explain;
mod files;
mod golden;
mod namespace;
mod nstat;
mod repeat;
mod sysctl;
