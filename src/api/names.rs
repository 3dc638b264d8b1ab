//! Names in filters.

use std::path::Path;

use crate::filter::Names;
use crate::procfs::{Cgroups, PortNames};
use crate::recording::Sample;

/// Accepts every name of an interface, cgroup or user, to check the rest of a filter.
pub(super) struct AnyName<'a> {
    pub(super) ports: &'a PortNames,
}

impl Names for AnyName<'_> {
    fn port(&self, service: &str) -> Option<u16> {
        self.ports.port(service)
    }

    fn interface(&self, _: &str) -> Option<u32> {
        Some(1)
    }

    fn cgroup(&self, _: &str) -> Option<u64> {
        Some(1)
    }

    fn user(&self, _: &str) -> Option<u32> {
        Some(0)
    }
}

/// Looks names up on this host, or in the sample of a recording.
pub(super) struct HostNames<'a> {
    pub(super) ports: &'a PortNames,
    pub(super) sample: Option<&'a Sample>,
}

impl Names for HostNames<'_> {
    fn port(&self, service: &str) -> Option<u16> {
        self.ports.port(service)
    }

    fn interface(&self, name: &str) -> Option<u32> {
        if let Some(sample) = self.sample {
            let mut names = sample.namespaces.iter().flat_map(|namespace| &namespace.interfaces);
            return names.find(|(_, known)| *known == name).map(|(index, _)| *index);
        }
        let (family, kind) = (rustix::net::AddressFamily::UNIX, rustix::net::SocketType::DGRAM);
        let socket = rustix::net::socket(family, kind, None).ok()?;
        rustix::net::netdevice::name_to_index(socket, name).ok()
    }

    fn cgroup(&self, path: &str) -> Option<u64> {
        if let Some(sample) = self.sample {
            return sample.cgroups.iter().find(|(_, known)| *known == path).map(|(id, _)| *id);
        }
        Cgroups::new(Path::new("/proc")).ok()?.id_of_path(Path::new(path)).ok()
    }

    fn user(&self, name: &str) -> Option<u32> {
        let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
        })
    }
}
