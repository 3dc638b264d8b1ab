//! Whose is it: services, and what part each of them has in the growth of the host's counters.
//!
//! Knows service rules, what the kernel counts per host and per socket, and how the two relate.
//! Refuses to know where facts come from (no I/O, no clock) and how they are shown.

pub mod services;

pub use services::{Classifier, Facts, Grouping, Owner, Rules, ServiceId, ServiceKey};
