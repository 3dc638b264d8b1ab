//! Looks up the names in filter expressions.

use std::path::Path;

use crate::filter::Names;
use crate::procfs::{Cgroups, PortNames};
use crate::recording::Sample;

/// Names in filter expressions, looked up on this host, or in a sample of a recording.
#[derive(Debug)]
pub struct FilterNames<'a> {
    /// Names of ports.
    pub ports: &'a PortNames,
    /// The sample whose interfaces and cgroups are meant; `None` for those of this host.
    pub past: Option<&'a Sample>,
}

impl Names for FilterNames<'_> {
    fn port(&self, service: &str) -> Option<u16> {
        self.ports.port(service)
    }

    fn interface(&self, name: &str) -> Option<u32> {
        if let Some(sample) = self.past {
            let names = sample.namespaces.iter().flat_map(|namespace| &namespace.interfaces);
            return names.into_iter().find(|(_, known)| *known == name).map(|(index, _)| *index);
        }
        let socket = rustix::net::socket(
            rustix::net::AddressFamily::UNIX,
            rustix::net::SocketType::DGRAM,
            None,
        )
        .ok()?;
        rustix::net::netdevice::name_to_index(socket, name).ok()
    }

    fn cgroup(&self, path: &str) -> Option<u64> {
        if let Some(sample) = self.past {
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
