//! Who holds a socket, as a recording tells.

use std::borrow::Cow;

use crate::attribution::Owner;
use crate::procfs::{container, unit};
use crate::recording::Sample;

/// What is known around a socket.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Holding<'a> {
    pub(in crate::cli) pid: Option<u32>,
    pub(in crate::cli) process: Option<&'a str>,
    pub(in crate::cli) cgroup: Option<&'a str>,
    pub(in crate::cli) unit: Option<Cow<'a, str>>,
    pub(in crate::cli) container: Option<String>,
    /// Somebody holds it whose descriptors could not be read.
    pub(in crate::cli) hidden: bool,
}

impl<'a> Holding<'a> {
    /// Of the socket with this inode, made in this cgroup.
    pub(in crate::cli) fn of(sample: &'a Sample, inode: u32, cgroup_id: Option<u64>) -> Self {
        let cgroup = cgroup_id.and_then(|id| sample.cgroups.get(&id)).map(String::as_str);
        let owners = sample.owners.get(&inode).filter(|_| inode != 0);
        let first = owners.and_then(|owners| owners.holders.first());
        // On hosts whose cgroup v2 is not used for services, the process's own cgroup tells more
        // than the socket's.
        let path = cgroup
            .filter(|path| *path != "/")
            .or_else(|| first.and_then(|holder| holder.cgroup.as_deref()))
            .or(cgroup);
        Self {
            pid: first.map(|holder| holder.pid),
            process: first.map(|holder| holder.comm.as_str()),
            cgroup,
            unit: path.and_then(unit),
            container: path.and_then(container).map(|found| found.short_id().to_owned()),
            hidden: owners.is_some_and(|owners| owners.hidden),
        }
    }

    /// As services are told by it.
    pub(in crate::cli) fn owner(&self) -> Owner<'_> {
        Owner {
            process: self.process,
            unit: self.unit.as_deref(),
            container: self.container.as_deref(),
            cgroup: self.cgroup,
        }
    }
}
