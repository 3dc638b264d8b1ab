//! Names in filters that are only checked.

use crate::filter::{InterfaceIndex, Names};
use crate::procfs::PortNames;

/// Accepts every name of an interface, cgroup or user, to check the rest of a filter.
pub(super) struct AnyName<'a> {
    pub(super) ports: &'a PortNames,
}

impl Names for AnyName<'_> {
    fn port(&self, service: &str) -> Option<u16> {
        self.ports.port(service)
    }

    fn interface(&self, _: &str) -> Vec<InterfaceIndex> {
        vec![InterfaceIndex { netns: None, index: 1 }]
    }

    fn cgroup(&self, _: &str) -> Vec<u64> {
        vec![1]
    }

    fn user(&self, _: &str) -> Option<u32> {
        Some(0)
    }
}
