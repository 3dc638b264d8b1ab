//! Processes, cgroups, units and containers of sockets, looked up or taken from a recording.

use std::borrow::Cow;
use std::path::Path;

use rustc_hash::FxHashMap;

use super::error::MonitorError;
use super::quality::Quality;
use crate::filter;
use crate::identity::Owner;
use crate::model::Socket;
use crate::procfs::{
    Cgroups, OwnerLimits, Owners, Ownership, Scope, Wanted, capabilities, placement,
};
use crate::recording::{MOST_HOLDERS, Sample, SocketHolder, SocketOwners};

/// A process that holds a socket open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Holder<'a> {
    /// Process id.
    pub pid: u32,
    /// Name as in /proc/PID/comm. Chosen by the process: not to be trusted.
    pub comm: &'a str,
    /// Number of the descriptor.
    pub fd: u32,
}

/// The processes that hold a socket open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processes<'a> {
    /// Not looked up.
    NotAsked,
    /// Perhaps a process whose descriptors may not be read.
    Hidden,
    /// Known.
    Known {
        /// By pid and descriptor; none if empty.
        holders: &'a [Holder<'a>],
        /// How many others hold it, which a recording leaves out.
        omitted: u64,
    },
}

/// The sockets whose holders are looked up. Holders of listeners are kept between polls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerScope {
    /// Listeners of the network namespace with this inode.
    Listeners(u64),
    /// Other sockets.
    Connections,
}

/// Resolves the owners of sockets.
#[derive(Debug)]
pub struct OwnerResolver {
    source: Source,
    cgroups: Option<Cgroups>,
    scope: Scope,
    /// The listeners of each network namespace: all of them stay known together.
    listeners: FxHashMap<u64, Vec<Wanted>>,
}

#[derive(Debug)]
enum Source {
    /// Owners are not requested.
    None,
    Kernel(Box<[Owners; 2]>),
    Recording {
        owners: FxHashMap<u32, SocketOwners>,
        cgroups: FxHashMap<u64, String>,
    },
}

/// What is known of the owners of one socket.
#[derive(Debug, Default)]
pub struct OwnerInfo<'a> {
    holders: Vec<Holder<'a>>,
    /// Holders that the recording leaves out.
    omitted: u64,
    program: Option<&'a str>,
    is_looked_up: bool,
    is_hidden: bool,
    /// Path of the cgroup that the socket was made in.
    pub cgroup_path: Option<&'a str>,
    /// systemd unit.
    pub unit: Option<Cow<'a, str>>,
    /// Container.
    pub container: Option<String>,
}

impl OwnerResolver {
    /// Looks owners up in /proc, as far as `scope` allows.
    ///
    /// # Errors
    /// When /proc cannot be opened.
    pub fn kernel(scope: Scope) -> Result<Self, MonitorError> {
        let proc_root = Path::new("/proc");
        let owners = Box::new([Owners::new(proc_root)?, Owners::new(proc_root)?]);
        // A host without cgroup v2, or a sandbox without /sys, has no paths.
        let cgroups = Cgroups::new(proc_root).ok();
        Ok(Self { source: Source::Kernel(owners), cgroups, scope, listeners: FxHashMap::default() })
    }

    /// Resolves cgroups only.
    pub fn cgroups_only() -> Self {
        let cgroups = Cgroups::new(Path::new("/proc")).ok();
        Self { source: Source::None, cgroups, scope: Scope::First, listeners: FxHashMap::default() }
    }

    /// Resolves nothing.
    pub fn none() -> Self {
        Self {
            source: Source::None,
            cgroups: None,
            scope: Scope::First,
            listeners: FxHashMap::default(),
        }
    }

    /// Resolves owners from a recording, which [`exchange`](Self::exchange) loads.
    pub fn recording() -> Self {
        let (owners, cgroups) = (FxHashMap::default(), FxHashMap::default());
        let source = Source::Recording { owners, cgroups };
        Self { source, cgroups: None, scope: Scope::First, listeners: FxHashMap::default() }
    }

    /// Exchanges the known owners with those of a sample of a recording.
    pub fn exchange(&mut self, sample: &mut Sample) {
        if let Source::Recording { owners, cgroups } = &mut self.source {
            std::mem::swap(owners, &mut sample.owners);
            std::mem::swap(cgroups, &mut sample.cgroups);
        }
    }

    /// Looks up the path of a socket's cgroup.
    pub fn learn_cgroup(&mut self, socket: &Socket) {
        if let (Some(cgroups), Some(id)) = (&mut self.cgroups, socket.cgroup_id)
            && cgroups.path(id).is_none()
        {
            cgroups.learn([id]);
        }
    }

    /// Finds the holders of these sockets, and forgets all others of the scope.
    ///
    /// # Errors
    /// When the processes cannot be listed.
    pub fn resolve<'s>(
        &mut self,
        sockets: impl Iterator<Item = &'s Socket> + Clone,
        of: OwnerScope,
        everywhere: bool,
    ) -> Result<(), MonitorError> {
        let Source::Kernel(_) = &self.source else { return Ok(()) };
        let wanted: Vec<Wanted> = sockets.map(wanted).collect();
        self.resolve_wanted(&wanted, of, everywhere)
    }

    /// The same for sockets that were not decoded.
    pub(super) fn resolve_wanted(
        &mut self,
        wanted: &[Wanted],
        of: OwnerScope,
        everywhere: bool,
    ) -> Result<(), MonitorError> {
        let Source::Kernel(owners) = &mut self.source else { return Ok(()) };
        if let Some(cgroups) = &mut self.cgroups {
            cgroups.learn(wanted.iter().filter_map(|wanted| wanted.cgroup_id));
        }
        let [listeners, connections] = &mut **owners;
        let scope = if everywhere { Scope::All } else { self.scope };
        let OwnerScope::Listeners(namespace) = of else {
            return Ok(connections.resolve(wanted, scope, self.cgroups.as_ref())?);
        };
        let scope = if scope == Scope::First { Scope::Listeners } else { scope };
        self.listeners.insert(namespace, wanted.to_vec());
        let all: Vec<Wanted> = self.listeners.values().flatten().copied().collect();
        Ok(listeners.resolve(&all, scope, self.cgroups.as_ref())?)
    }

    /// Forgets the listeners of a network namespace that is gone.
    pub(super) fn forget_listeners(&mut self, namespace: u64) {
        self.listeners.remove(&namespace);
    }

    /// Finds holders of these sockets among the processes that hold listeners, reading `most`
    /// descriptors at most. Returns whether that was enough to read all of them.
    ///
    /// # Errors
    /// When the processes cannot be read.
    pub(super) fn resolve_among_listeners<'s>(
        &mut self,
        sockets: impl Iterator<Item = &'s Socket> + Clone,
        most: u64,
    ) -> Result<bool, MonitorError> {
        let Source::Kernel(owners) = &mut self.source else { return Ok(true) };
        let wanted: Vec<Wanted> = sockets.map(wanted).collect();
        let [listeners, connections] = &mut **owners;
        let processes: Vec<u32> = listeners.processes().collect();
        Ok(connections.resolve_among(&wanted, &processes, most)?)
    }

    /// Frees the memory of sockets that are not looked up again.
    pub fn forget_connections(&mut self) {
        if let Source::Kernel(owners) = &mut self.source {
            let [_, connections] = &mut **owners;
            connections.forget();
        }
    }

    /// What was found of the holders of the socket with this inode; `None` if they were not
    /// looked up.
    pub(super) fn found(&self, inode: u32) -> Option<Ownership<'_>> {
        let found = match &self.source {
            Source::Kernel(owners) if inode != 0 => lookup(owners, inode),
            _ => return None,
        };
        (!matches!(found, Ownership::Unasked)).then_some(found)
    }

    /// The path of a socket's cgroup, if it is known.
    pub fn cgroup_path(&self, socket: &Socket) -> Option<&str> {
        self.cgroup_path_of(socket.cgroup_id?)
    }

    /// The path of the cgroup with this id, if it is known.
    pub(super) fn cgroup_path_of(&self, id: u64) -> Option<&str> {
        match &self.source {
            Source::Recording { cgroups, .. } => cgroups.get(&id).map(String::as_str),
            _ => self.cgroups.as_ref()?.path(id),
        }
    }

    /// Whether some process is known to hold a socket.
    pub(super) fn is_held(&self, socket: &Socket) -> bool {
        match &self.source {
            Source::None => false,
            Source::Kernel(owners) => {
                matches!(lookup(owners, socket.inode), Ownership::Known(_))
            }
            Source::Recording { owners, .. } => {
                let found = owners.get(&socket.inode).filter(|_| socket.inode != 0);
                found.is_some_and(|owners| !owners.holders.is_empty())
            }
        }
    }

    /// What is known of the owners of a socket.
    pub fn info(&self, socket: &Socket) -> OwnerInfo<'_> {
        let mut info = self.info_without_holders(socket);
        let process_cgroup = match &self.source {
            Source::None => return info,
            Source::Kernel(owners) => {
                let found = lookup(owners, socket.inode);
                info.is_looked_up = !matches!(found, Ownership::Unasked);
                info.is_hidden = matches!(found, Ownership::Hidden);
                let Ownership::Known(holders) = found else { return info };
                info.holders = holders
                    .iter()
                    .map(|holder| Holder {
                        pid: holder.pid,
                        comm: &holder.process.comm,
                        fd: holder.fd,
                    })
                    .collect();
                info.program = holders.first().map(|holder| holder.process.program());
                holders.first().and_then(|holder| holder.process.cgroup())
            }
            Source::Recording { owners, .. } => {
                info.is_looked_up = true;
                let found = owners.get(&socket.inode).filter(|_| socket.inode != 0);
                let Some(owners) = found else { return info };
                info.is_hidden = owners.hidden;
                info.omitted = owners.omitted;
                info.holders = owners
                    .holders
                    .iter()
                    .map(|holder| Holder { pid: holder.pid, comm: &holder.comm, fd: holder.fd })
                    .collect();
                info.program = owners.holders.first().map(SocketHolder::program);
                owners.holders.first().and_then(|holder| holder.cgroup.as_deref())
            }
        };
        info.set_unit_and_container(process_cgroup);
        info
    }

    /// The same without holders: only what the socket's own cgroup shows.
    pub fn info_without_holders(&self, socket: &Socket) -> OwnerInfo<'_> {
        let cgroup_path = self.cgroup_path(socket);
        let mut info = OwnerInfo { cgroup_path, ..OwnerInfo::default() };
        info.set_unit_and_container(None);
        info
    }

    /// What was hidden.
    fn limits(&self) -> Option<OwnerLimits> {
        let Source::Kernel(owners) = &self.source else { return None };
        let [listeners, connections] = &**owners;
        let (one, other) = (listeners.limits(), connections.limits());
        Some(if other.processes_hidden > one.processes_hidden { other } else { one })
    }

    /// Describes what is hidden, and which capability would show it.
    pub fn report(&self, quality: &mut Quality) {
        let Some(limits) = self.limits() else { return };
        quality.processes_hidden = quality.processes_hidden.max(limits.processes_hidden);
        if limits.lacks_permission() {
            let how_many = match limits.processes_hidden {
                0 => "processes are hidden (hidepid)".to_owned(),
                1 => "the descriptors of 1 process may not be read".to_owned(),
                count => format!("the descriptors of {count} processes may not be read"),
            };
            let remedy = capabilities::Unreadable::Descriptors.remedy();
            quality.permission_limited.push(format!("owners: {how_many}; {remedy}"));
        }
        if limits.threads_unread > 0 {
            quality.permission_limited.push(format!(
                "owners: the descriptor tables of {} threads were not searched, because there are \
                 too many",
                limits.threads_unread
            ));
        }
        if limits.foreign_pid_namespace {
            quality.permission_limited.push(
                "owners: only processes of this pid namespace are visible; run in the host's to see all"
                    .to_owned(),
            );
        }
    }
}

/// A socket whose holders are requested.
pub(super) fn wanted(socket: &Socket) -> Wanted {
    Wanted { inode: socket.inode, uid: socket.uid, cgroup_id: socket.cgroup_id }
}

/// The owners of a socket, as recorded: so many holders that what is recorded of a socket does not
/// grow with them.
pub(super) fn socket_owners(inode: u32, found: Ownership<'_>) -> SocketOwners {
    let hidden = matches!(found, Ownership::Hidden);
    let Ownership::Known(holders) = found else {
        return SocketOwners { inode, holders: Vec::new(), omitted: 0, hidden };
    };
    let omitted = holders.len().saturating_sub(MOST_HOLDERS) as u64;
    let holders = holders.iter().take(MOST_HOLDERS).map(|holder| SocketHolder {
        pid: holder.pid,
        fd: holder.fd,
        comm: holder.process.comm.clone(),
        program: (holder.process.program() != holder.process.comm)
            .then(|| holder.process.program().to_owned()),
        cgroup: holder.process.cgroup().map(str::to_owned),
    });
    SocketOwners { inode, holders: holders.collect(), omitted, hidden }
}

/// The holders that either scope has found.
fn lookup(owners: &[Owners; 2], inode: u32) -> Ownership<'_> {
    let [listeners, connections] = owners;
    match connections.owner(inode) {
        Ownership::Unasked => listeners.owner(inode),
        found => found,
    }
}

impl<'a> OwnerInfo<'a> {
    /// Sets unit and container from the holder's cgroup and the socket's own.
    fn set_unit_and_container(&mut self, process_cgroup: Option<&'a str>) {
        let placement = placement(self.cgroup_path, process_cgroup);
        (self.unit, self.container) = (placement.unit, placement.container);
    }

    /// Whether some process is known to hold the socket.
    pub fn is_held(&self) -> bool {
        !self.holders.is_empty()
    }

    /// The holders that are known.
    pub fn holders(&self) -> &[Holder<'a>] {
        &self.holders
    }

    /// As naming takes it.
    pub fn owner(&self) -> Owner<'_> {
        Owner {
            process: self.program,
            unit: self.unit.as_deref(),
            container: self.container.as_deref(),
            cgroup: self.cgroup_path,
        }
    }

    /// As rows show it.
    pub fn processes(&self) -> Processes<'_> {
        match (self.is_looked_up, self.is_hidden) {
            (false, _) => Processes::NotAsked,
            (true, true) => Processes::Hidden,
            (true, false) => Processes::Known { holders: &self.holders, omitted: self.omitted },
        }
    }

    /// As filters take it.
    pub fn for_filter(&self) -> Vec<filter::Process<'_>> {
        self.holders
            .iter()
            .map(|holder| filter::Process {
                pid: holder.pid,
                comm: holder.comm,
                unit: self.unit.as_deref(),
                container: self.container.as_deref(),
            })
            .collect()
    }

    /// As filters take it, with the processes that [`for_filter`](Self::for_filter) made.
    pub fn filter_owner<'s>(&self, processes: &'s [filter::Process<'s>]) -> filter::Owner<'s> {
        match (self.is_looked_up, self.is_hidden, processes) {
            (false, ..) => filter::Owner::Pending,
            (true, true, _) => filter::Owner::Hidden,
            (true, false, []) => filter::Owner::None,
            (true, false, processes) => filter::Owner::Known(processes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procfs;

    #[test]
    fn what_is_recorded_of_a_socket_does_not_grow_with_its_holders() {
        let holders: Vec<procfs::Holder> =
            (0..50_000).map(|fd| procfs::Holder::example(u32::MAX, fd)).collect();
        for (count, named, omitted) in
            [(1, 1, 0), (MOST_HOLDERS, MOST_HOLDERS, 0), (50_000, MOST_HOLDERS, 49_984)]
        {
            let owners = socket_owners(7, Ownership::Known(&holders[..count]));
            assert_eq!((owners.holders.len(), owners.omitted), (named, omitted));
            let line = serde_json::to_string(&owners).unwrap();
            assert!(line.len() < 4096, "{}", line.len());
            assert_eq!(line.contains("omitted"), omitted > 0, "absent where all are named");
        }
    }
}
