//! What /proc and /sys say: processes and the sockets they hold, cgroups and the units and
//! containers they belong to, network namespaces, capabilities, the host itself. And what of that
//! is hidden from this process.
//!
//! Contains no TCP, no deltas and no output.

pub mod capabilities;
mod cgroup;
mod holders;
mod host;
mod inode_age;
mod mounts;
mod namespace;
mod owner_search;
mod owners;
mod peer_names;
mod placement;
mod ports;
mod proc_walk;
#[cfg(test)]
pub(crate) mod testing;
mod unit;
mod visibility;

pub use cgroup::{CgroupError, Cgroups};
pub use host::{FEW_FILES, Host, holders_are_cheap, open_files};
pub use namespace::{AllNamespaces, HeldNamespace, NamespaceError, Namespaces, NetNamespace};
pub use owners::{Effort, Holder, Owners, Ownership, ProcessFacts, Scope, Wanted};
pub use peer_names::{HostNames, PeerNames};
pub use placement::{Placement, placement};
pub use ports::PortNames;
pub use proc_walk::WalkError;
pub use unit::{Container, Runtime, container, unit};
pub use visibility::{HidePid, OwnerLimits};
