//! The kernel's socket tables over netlink: dumps, listeners and destroy events.
//!
//! Knows how to ask and what can go wrong. Knows no deltas and no output.

mod dump;
mod error;
mod events;
mod killer;
mod sockets;

pub use dump::{DumpOutcome, Dumper, Transport};
pub use error::Error;
pub use events::{Drained, EventOptions, Events, EventsError};
pub use killer::{Killed, Killer, KillerError};
pub use sockets::{Query, Sockets};
