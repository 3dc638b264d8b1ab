//! Whose is it: services, and what part each of them has in the growth of the host's counters.
//!
//! Knows service rules, what the kernel counts per host and per socket, and how the two relate.
//! Refuses to know where facts come from (no I/O, no clock) and how they are shown.

mod divide;
mod growth;
mod interval;
pub mod kinds;
pub mod services;
#[cfg(test)]
mod testing;
mod work;

pub use divide::Estimate;
pub use interval::{Interval, ListenerDrops, Reading, Requests};
pub use kinds::{KindRow, KindTable, RetransmitKind};
pub use services::{Classifier, Facts, Grouping, Owner, Rules, ServiceId, ServiceKey};
pub use work::{Hints, Sign, Work};
