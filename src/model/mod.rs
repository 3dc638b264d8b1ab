//! Owned, `Copy` types in the kernel's units, and the catalogue of every field
//! that a socket has.
//!
//! Knows what a value means. Knows no text but its own names, and does no I/O.

#[cfg(test)]
pub(crate) mod example;
mod families;
pub mod fields;
mod role;
mod socket;
mod state;
mod timer;

pub use families::Families;
pub use fields::{Field, Group, Kind, Reading, Unit};
pub use role::{Role, RoleBasis};
pub use socket::{CongestionDetail, CongestionName, Endpoint, Socket};
pub use state::{State, StateSet};
pub use timer::{Timer, TimerKind};
