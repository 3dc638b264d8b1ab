//! Services, and each service's part in the growth of the host's counters.
//!
//! Contains what the kernel counts per host and per socket, and how the two relate. Only
//! [`ServiceWatch`], which polls by a schedule, does I/O and reads clocks. Does not format output.
//!
//! The identity module names the service of a socket; the tracker stores it as the socket's tag. What
//! sockets did in an interval goes into [`reconcile()`] together with the tag: the growth of every
//! counter is divided among the services, with bounds; the rest stays unattributed, with the
//! reason. An [`Accumulator`] adds intervals up. A [`ServiceTable`] holds the services' other
//! figures.

mod accumulator;
mod attributor;
mod counters;
mod coverage;
mod divide;
mod growth;
mod histogram;
mod interval;
mod interval_sum;
pub mod kinds;
mod listener_queues;
mod polls;
mod reason;
mod reconcile;
mod service_watch;
mod service_watch_options;
mod socket_selection;
mod table;
mod tally;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod truth_tests;
mod work;

pub use accumulator::Accumulator;
pub use attributor::{Attributor, Polled};
pub use counters::Class;
pub use coverage::Coverage;
pub use divide::Estimate;
pub use growth::KernelCounters;
pub use histogram::Histogram;
pub use interval::{Interval, ListenerDrops, Reading, Requests};
pub use interval_sum::{IntervalSum, NamespaceAttribution};
pub use kinds::{KindRow, KindTable, RetransmitKind};
pub use listener_queues::ListenerQueue;
pub use polls::Polls;
pub use reason::Reason;
pub use reconcile::{Attribution, Part, Reconciliation, reconcile};
pub use service_watch::{ServiceInterval, ServiceWatch};
pub use service_watch_options::{EarlyPolls, ServiceWatchOptions};
pub use socket_selection::SocketSelection;
pub use table::{Limited, Listen, ServiceRow, ServiceTable};
pub use work::{Hints, Work};
