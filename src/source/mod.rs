//! Where facts come from: the kernel's socket dump, its listeners, processes,
//! cgroups, namespaces and the host itself.
//!
//! Knows how to ask and what can go wrong. Knows no deltas and no output.

pub mod capabilities;
mod cgroup;
mod dating;
mod dump;
mod error;
mod hiding;
mod holders;
mod host;
mod hunt;
mod listeners;
mod mounts;
mod namespace;
mod owners;
mod ports;
mod proc_walk;
mod sockets;
#[cfg(test)]
pub(crate) mod testing;
mod unit;

pub use cgroup::{CgroupError, Cgroups};
pub use dump::{DumpOutcome, Dumper, Transport};
pub use error::Error;
pub use hiding::{HidePid, OwnerLimits};
pub use host::Host;
pub use listeners::{Listener, Listeners};
pub use namespace::{AllNamespaces, NamespaceError, Namespaces, NetNamespace};
pub use owners::{Effort, Holder, Owners, Ownership, ProcessFacts, Scope, Wanted};
pub use ports::PortNames;
pub use proc_walk::WalkError;
pub use sockets::{Query, Sockets};
pub use unit::{Container, Runtime, container, unit};
