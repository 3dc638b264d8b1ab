//! Whose is it: services, and what part each of them has in the growth of the host's counters.
//!
//! Knows service rules, what the kernel counts per host and per socket, and how the two relate.
//! Refuses to know where facts come from (no I/O, no clock) and how they are shown.
//!
//! A [`Classifier`] names the service of a socket; the ledger keeps it as the socket's tag. What
//! sockets did in an interval goes with it into [`reconcile`]: every counter that grew is divided
//! among the services, with bounds, and what is nobody's stays so and says why. An
//! [`Accumulator`] adds intervals up, a [`ServiceTable`] keeps the rest that is worth saying.

mod accumulator;
mod attributor;
mod counters;
mod divide;
mod growth;
mod histogram;
mod interval;
pub mod kinds;
mod reason;
mod reconcile;
pub mod services;
mod table;
mod tally;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod truth_tests;
mod work;

pub use accumulator::Accumulator;
pub use attributor::{Attributor, Closing, Polled, Readings};
pub use counters::Class;
pub use divide::Estimate;
pub use histogram::Histogram;
pub use interval::{Interval, ListenerDrops, Reading, Requests};
pub use kinds::{KindRow, KindTable, RetransmitKind};
pub use reason::Reason;
pub use reconcile::{Attribution, Part, Reconciliation, reconcile};
pub use services::{Classifier, Facts, Grouping, Owner, Rules, ServiceId, ServiceKey};
pub use table::{Limited, Listen, ServiceRow, ServiceTable};
pub use work::{Hints, Work};
