//! Looks up the names in filter expressions.

use std::path::Path;

use super::namespaces::find_namespaces;
use crate::counters::parse_devices;
use crate::filter::Names;
use crate::procfs::{Cgroups, PortNames};
use crate::recording::Sample;
use crate::sys::{own_counters, user_id};

/// Names in filter expressions, looked up on this host, or in a sample of a recording.
#[derive(Debug)]
pub struct FilterNames<'a> {
    /// Names of ports.
    pub ports: &'a PortNames,
    /// The sample whose interfaces and cgroups are meant; `None` for those of this host.
    pub past: Option<&'a Sample>,
    /// The network namespaces whose interfaces are meant, as they were asked for; none for the
    /// caller's own.
    pub netns: &'a [String],
}

impl FilterNames<'_> {
    /// What `read` returns in each of the namespaces that can be entered.
    fn in_namespaces<T: Send>(&self, read: impl Fn() -> T + Sync) -> Vec<T> {
        let (namespaces, _) = find_namespaces(self.netns).unwrap_or_default();
        namespaces.iter().filter_map(|namespace| namespace.inside(&read).ok()).collect()
    }

    /// The interfaces of the sample, by index.
    fn recorded_interfaces(sample: &Sample) -> impl Iterator<Item = (&u32, &String)> {
        sample.namespaces.iter().flat_map(|namespace| &namespace.interfaces)
    }
}

/// The index of an interface of the calling thread's network namespace.
fn index_of(name: &str) -> Option<u32> {
    let (family, kind) = (rustix::net::AddressFamily::UNIX, rustix::net::SocketType::DGRAM);
    let socket = rustix::net::socket(family, kind, None).ok()?;
    rustix::net::netdevice::name_to_index(socket, name).ok()
}

impl Names for FilterNames<'_> {
    fn port(&self, service: &str) -> Option<u16> {
        self.ports.port(service)
    }

    fn interface(&self, name: &str) -> Option<u32> {
        let mut found: Vec<u32> = match self.past {
            Some(sample) => {
                let known = Self::recorded_interfaces(sample).filter(|(_, known)| *known == name);
                known.map(|(index, _)| *index).collect()
            }
            None => self.in_namespaces(|| index_of(name)).into_iter().flatten().collect(),
        };
        found.sort_unstable();
        found.dedup();
        // An index that means another interface elsewhere would select the wrong sockets.
        <[u32; 1]>::try_from(found).ok().map(|[index]| index)
    }

    fn interfaces(&self) -> Vec<String> {
        let mut names: Vec<String> = match self.past {
            Some(sample) => {
                Self::recorded_interfaces(sample).map(|(_, name)| name.clone()).collect()
            }
            None => {
                let devices = || std::fs::read_to_string(own_counters().join("dev"));
                let texts = self.in_namespaces(devices).into_iter().flatten();
                texts.flat_map(|text| parse_devices(&text)).map(|device| device.name).collect()
            }
        };
        names.sort_unstable();
        names.dedup();
        names
    }

    fn cgroup(&self, path: &str) -> Option<u64> {
        if let Some(sample) = self.past {
            return sample.cgroups.iter().find(|(_, known)| *known == path).map(|(id, _)| *id);
        }
        Cgroups::new(Path::new("/proc")).ok()?.id_of_path(Path::new(path)).ok()
    }

    fn user(&self, name: &str) -> Option<u32> {
        user_id(name)
    }
}
