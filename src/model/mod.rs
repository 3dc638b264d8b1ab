//! `Copy` types in the kernel's units, and the catalogue of all fields of a socket.
//!
//! Knows what values mean. Has no text but names, and does no I/O.

#[cfg(test)]
pub(crate) mod example;
mod families;
pub mod fields;
mod opener;
mod role;
mod scoped_address;
mod socket;
mod state;
mod timer;
pub mod wrap;

pub use families::Families;
pub use fields::{Field, Group, Kind, Reading, Unit};
pub use opener::{Opener, opened_by, opened_by_event};
pub use role::{Role, RoleBasis};
pub use scoped_address::{ScopedAddress, is_link_local};
pub use socket::{CongestionDetail, CongestionName, Endpoint, Socket};
pub use state::{State, StateSet};
pub use timer::{Timer, TimerKind};
