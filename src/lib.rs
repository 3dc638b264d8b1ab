//! tcpdiag asks the kernel for every TCP socket and says what it means.
//!
//! One way through the house: kernel bytes become views in [`wire`], rows in
//! [`model`], snapshots in [`source`], deltas in [`sample`], shares of services in
//! [`attribute`], verdicts in [`diagnose`], a contract in [`report`] and text in [`render`]. Beside it stand
//! the system's own [`counters`] and [`settings`], recordings of all of it in [`record`], and readings of the past in
//! [`history`]. A module imports only what stands upstream of it.

pub mod attribute;
pub mod cli;
pub mod counters;
pub mod diagnose;
pub mod filter;
pub mod history;
pub mod model;
pub mod record;
pub mod render;
pub mod report;
pub mod sample;
pub mod settings;
pub mod source;
pub mod sys;
pub mod wire;
