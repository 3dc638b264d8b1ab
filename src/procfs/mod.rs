//! What /proc and /sys say besides sockets: processes and the sockets they hold, cgroups with the
//! units and containers they stand for, network namespaces, capabilities, the host itself.
//!
//! Knows how to ask and what can be hidden. Knows no TCP, no deltas and no output.

pub mod capabilities;
mod cgroup;
mod holders;
mod host;
mod inode_age;
mod mounts;
mod namespace;
mod owner_search;
mod owners;
mod ports;
mod proc_walk;
#[cfg(test)]
pub(crate) mod testing;
mod unit;
mod visibility;

pub use cgroup::{CgroupError, Cgroups};
pub use host::Host;
pub use namespace::{AllNamespaces, NamespaceError, Namespaces, NetNamespace};
pub use owners::{Effort, Holder, Owners, Ownership, ProcessFacts, Scope, Wanted};
pub use ports::PortNames;
pub use proc_walk::WalkError;
pub use unit::{Container, Runtime, container, unit};
pub use visibility::{HidePid, OwnerLimits};
