//! Looks up the names in filter expressions.

use std::path::Path;

use super::namespaces::{find_namespaces, wants_all};
use crate::counters::parse_devices;
use crate::filter::{InterfaceIndex, Names};
use crate::procfs::{Cgroups, PortNames};
use crate::recording::{NamespaceChoice, RecordedNamespace, Sample};
use crate::sys::{own_counters, user_id};

/// Names in filter expressions, looked up on this host, or in a sample of a recording.
#[derive(Debug)]
pub struct FilterNames<'a> {
    /// Names of ports.
    pub ports: &'a PortNames,
    /// Where the other names are from.
    pub source: NameSource<'a>,
}

/// Whose interfaces and cgroups the names are.
#[derive(Debug, Clone, Copy)]
pub enum NameSource<'a> {
    /// Those of this host, and the interfaces of these network namespaces, as they were asked for;
    /// none for the caller's own.
    Host(&'a [String]),
    /// Those of a sample of a recording, and the interfaces of the chosen network namespaces.
    Recording(&'a Sample, &'a NamespaceChoice),
}

/// What `read` returns in each of the namespaces that can be entered, with the namespace's inode
/// unless it is the only one that is asked for.
fn in_namespaces<T: Send>(netns: &[String], read: impl Fn() -> T + Sync) -> Vec<(Option<u64>, T)> {
    let (namespaces, _) = find_namespaces(netns).unwrap_or_default();
    // Of `all`, others may come later.
    let is_only = namespaces.len() == 1 && !wants_all(netns);
    let read = |namespace: &crate::procfs::NetNamespace| {
        let inode = (!is_only).then_some(namespace.inode);
        Some((inode, namespace.inside(&read).ok()?))
    };
    namespaces.iter().filter_map(read).collect()
}

/// The index of an interface of the calling thread's network namespace.
fn index_of(name: &str) -> Option<u32> {
    let (family, kind) = (rustix::net::AddressFamily::UNIX, rustix::net::SocketType::DGRAM);
    let socket = rustix::net::socket(family, kind, None).ok()?;
    rustix::net::netdevice::name_to_index(socket, name).ok()
}

/// The chosen namespaces of a sample.
fn chosen<'s>(
    sample: &'s Sample,
    choice: &NamespaceChoice,
) -> impl Iterator<Item = &'s RecordedNamespace> {
    sample.namespaces.iter().filter(|namespace| choice.includes(namespace))
}

impl Names for FilterNames<'_> {
    fn port(&self, service: &str) -> Option<u16> {
        self.ports.port(service)
    }

    fn interface(&self, name: &str) -> Vec<InterfaceIndex> {
        match self.source {
            NameSource::Host(netns) => in_namespaces(netns, || index_of(name))
                .into_iter()
                .filter_map(|(netns, index)| Some(InterfaceIndex { netns, index: index? }))
                .collect(),
            NameSource::Recording(sample, choice) => chosen(sample, choice)
                .flat_map(|namespace| {
                    let netns = Some(namespace.inode);
                    let known = namespace.interfaces.iter().filter(|(_, known)| *known == name);
                    known.map(move |(&index, _)| InterfaceIndex { netns, index })
                })
                .collect(),
        }
    }

    fn interfaces(&self) -> Vec<String> {
        let mut names: Vec<String> = match self.source {
            NameSource::Host(netns) => {
                let devices = || std::fs::read_to_string(own_counters().join("dev"));
                let texts =
                    in_namespaces(netns, devices).into_iter().filter_map(|(_, text)| text.ok());
                texts.flat_map(|text| parse_devices(&text)).map(|device| device.name).collect()
            }
            NameSource::Recording(sample, choice) => chosen(sample, choice)
                .flat_map(|namespace| namespace.interfaces.values().cloned())
                .collect(),
        };
        names.sort_unstable();
        names.dedup();
        names
    }

    fn cgroup(&self, path: &str) -> Vec<u64> {
        if let NameSource::Recording(sample, _) = self.source {
            return sample
                .cgroups
                .iter()
                .filter(|(_, known)| *known == path)
                .map(|(id, _)| *id)
                .collect();
        }
        let id = Cgroups::new(Path::new("/proc")).ok();
        id.and_then(|cgroups| cgroups.id_of_path(Path::new(path)).ok()).into_iter().collect()
    }

    fn user(&self, name: &str) -> Option<u32> {
        user_id(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(inode: u64, interfaces: &[(u32, &str)]) -> RecordedNamespace {
        let interfaces = interfaces.iter().map(|&(index, name)| (index, name.to_owned())).collect();
        RecordedNamespace { inode, interfaces, ..RecordedNamespace::default() }
    }

    #[test]
    fn an_index_belongs_to_its_namespace_and_only_chosen_ones_take_part() {
        let sample = Sample {
            namespaces: vec![
                namespace(7, &[(3, "eth0"), (4, "eth1")]),
                namespace(8, &[(5, "eth0"), (3, "wlan0")]),
            ],
            ..Sample::default()
        };
        let ports = PortNames::default();
        let found = |choice: &NamespaceChoice, name| {
            let source = NameSource::Recording(&sample, choice);
            FilterNames { ports: &ports, source }.interface(name)
        };
        let [first, second] =
            [(7, 3), (8, 5)].map(|(inode, index)| InterfaceIndex { netns: Some(inode), index });
        assert_eq!(found(&NamespaceChoice::default(), "eth0"), [first, second]);
        let known = [(7, None), (8, None)].into_iter();
        let choice = NamespaceChoice::of(&["8".to_owned()], known).unwrap();
        assert_eq!(found(&choice, "eth0"), [second]);
        assert_eq!(found(&choice, "eth1"), []);
        let source = NameSource::Recording(&sample, &choice);
        assert_eq!(FilterNames { ports: &ports, source }.interfaces(), ["eth0", "wlan0"]);
    }
}
