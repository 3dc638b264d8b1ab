//! Processes, cgroups and what follows from them, looked up as far as a command
//! wants them.

use std::borrow::Cow;
use std::path::Path;

use anyhow::Context as _;
use rustc_hash::FxHashMap;

use super::record::line;
use crate::filter::{Owner, Process};
use crate::model::Socket;
use crate::procfs::{
    Cgroups, OwnerLimits, Owners, Ownership, Scope, Wanted, capabilities, container, unit,
};
use crate::recording::{Sample, SocketOwners};
use crate::report::{Holder, Processes, Quality};

/// Where names come from.
#[derive(Debug)]
pub(super) struct People {
    owners: Option<Owners>,
    cgroups: Option<Cgroups>,
    scope: Scope,
    past: Option<Past>,
}

/// What a recording knows instead.
#[derive(Debug)]
struct Past {
    owners: FxHashMap<u32, SocketOwners>,
    cgroups: FxHashMap<u64, String>,
    wants_owners: bool,
}

/// What is known of the people around one socket.
#[derive(Debug, Default)]
pub(super) struct Around<'a> {
    known: Vec<Holder<'a>>,
    asked: bool,
    hidden: bool,
    pub(super) cgroup_path: Option<&'a str>,
    pub(super) unit: Option<Cow<'a, str>>,
    pub(super) container: Option<String>,
}

impl People {
    /// `owners` and `cgroups` say what will be asked for.
    pub(super) fn new(owners: bool, cgroups: bool, scope: Scope) -> anyhow::Result<Self> {
        let proc_root = Path::new("/proc");
        Ok(Self {
            owners: owners
                .then(|| Owners::new(proc_root).context("cannot look for the owners of sockets"))
                .transpose()?,
            // A host without cgroup v2, or a sandbox without /sys, has no paths.
            cgroups: (owners || cgroups).then(|| Cgroups::new(proc_root).ok()).flatten(),
            scope,
            past: None,
        })
    }

    /// As a recording knows them: holders by inode, paths by id of the cgroup.
    pub(super) fn of(
        owners: FxHashMap<u32, SocketOwners>,
        cgroups: FxHashMap<u64, String>,
        wants_owners: bool,
    ) -> Self {
        let past = Past { owners, cgroups, wants_owners };
        Self { owners: None, cgroups: None, scope: Scope::First, past: Some(past) }
    }

    /// Whether owners are asked for.
    pub(super) fn wants_owners(&self) -> bool {
        self.owners.is_some() || self.past.as_ref().is_some_and(|past| past.wants_owners)
    }

    /// Learns the cgroup of a socket.
    pub(super) fn learn_cgroup(&mut self, socket: &Socket) {
        if let (Some(cgroups), Some(id)) = (&mut self.cgroups, socket.cgroup_id)
            && cgroups.path(id).is_none()
        {
            cgroups.learn([id]);
        }
    }

    /// Finds the owners of these sockets.
    pub(super) fn resolve<'s>(
        &mut self,
        sockets: impl Iterator<Item = &'s Socket> + Clone,
        scope: Option<Scope>,
    ) -> anyhow::Result<()> {
        let Some(owners) = &mut self.owners else { return Ok(()) };
        if let Some(cgroups) = &mut self.cgroups {
            cgroups.learn(sockets.clone().filter_map(|socket| socket.cgroup_id));
        }
        let wanted: Vec<Wanted> = sockets
            .map(|socket| Wanted {
                inode: socket.inode,
                uid: socket.uid,
                cgroup_id: socket.cgroup_id,
            })
            .collect();
        owners
            .resolve(&wanted, scope.unwrap_or(self.scope), self.cgroups.as_ref())
            .context("cannot look for the owners of sockets")
    }

    /// Forgets whose sockets are whose, where no socket is asked for twice.
    pub(super) fn forget(&mut self) {
        if let Some(owners) = &mut self.owners {
            owners.forget();
        }
    }

    /// As a recording knows them, before its first sample.
    pub(super) fn recorded() -> Self {
        Self::of(FxHashMap::default(), FxHashMap::default(), true)
    }

    /// Exchanges what is known with a sample of a recording.
    pub(super) fn exchange(&mut self, sample: &mut Sample) {
        if let Some(past) = &mut self.past {
            std::mem::swap(&mut past.owners, &mut sample.owners);
            std::mem::swap(&mut past.cgroups, &mut sample.cgroups);
        }
    }

    /// What is known of the holders of a socket that were asked for, as a recording has it.
    pub(super) fn line(&self, inode: u32) -> Option<SocketOwners> {
        match self.owners.as_ref()?.owner(inode) {
            _ if inode == 0 => None,
            Ownership::Unasked => None,
            found => Some(line(inode, found)),
        }
    }

    /// The path of a socket's cgroup, if it was learnt.
    pub(super) fn cgroup_path(&self, socket: &Socket) -> Option<&str> {
        let id = socket.cgroup_id?;
        match &self.past {
            Some(past) => past.cgroups.get(&id).map(String::as_str),
            None => self.cgroups.as_ref()?.path(id),
        }
    }

    /// What is known around a socket.
    pub(super) fn around(&self, socket: &Socket) -> Around<'_> {
        let mut around = Around { cgroup_path: self.cgroup_path(socket), ..Around::default() };
        if let Some(owners) = &self.owners {
            around.asked = true;
            match owners.owner(socket.inode) {
                Ownership::Known(holders) => {
                    around.known = holders
                        .iter()
                        .map(|holder| Holder {
                            pid: holder.pid,
                            comm: &holder.process.comm,
                            fd: holder.fd,
                        })
                        .collect();
                    // On hosts whose cgroup v2 is not used for services, the
                    // process's own cgroup tells more than the socket's.
                    let process = || holders.first().and_then(|holder| holder.process.cgroup());
                    around.name(around.cgroup_path.filter(|path| *path != "/").or_else(process));
                }
                Ownership::Hidden => around.hidden = true,
                Ownership::None | Ownership::Unasked => {}
            }
        }
        if let Some(past) = self.past.as_ref().filter(|past| past.wants_owners) {
            past.tell(socket.inode, &mut around);
        }
        if around.unit.is_none() {
            around.name(around.cgroup_path);
        }
        around
    }

    /// The same of a socket whose holders were not asked for.
    pub(super) fn around_unasked(&self, socket: &Socket) -> Around<'_> {
        let mut around = Around { cgroup_path: self.cgroup_path(socket), ..Around::default() };
        around.name(around.cgroup_path);
        around
    }

    /// What was hidden, for the reader to know.
    pub(super) fn limits(&self) -> Option<OwnerLimits> {
        self.owners.as_ref().map(Owners::limits)
    }

    /// Says what is hidden.
    pub(super) fn report(&self, quality: &mut Quality) {
        let Some(limits) = self.limits() else { return };
        quality.processes_hidden = limits.processes_hidden;
        if limits.processes_hidden > 0 || limits.hidepid.is_some() {
            let how_many = match limits.processes_hidden {
                0 => "processes are hidden (hidepid)".to_owned(),
                1 => "the descriptors of 1 process may not be read".to_owned(),
                count => format!("the descriptors of {count} processes may not be read"),
            };
            let remedy = if capabilities::may_see_processes() {
                "no capability is missing: a security module or a sandbox forbids it".to_owned()
            } else {
                format!("{} would show them", limits.missing_capabilities().join(" and "))
            };
            quality.permission_limited.push(format!("owners: {how_many}; {remedy}"));
        }
        if limits.foreign_pid_namespace {
            quality.permission_limited.push(
                "owners: only processes of this pid namespace are in sight; run in the host's to see all"
                    .to_owned(),
            );
        }
    }
}

impl Past {
    /// What it knows of the socket with this inode.
    fn tell<'a>(&'a self, inode: u32, around: &mut Around<'a>) {
        around.asked = true;
        let Some(owners) = self.owners.get(&inode).filter(|_| inode != 0) else { return };
        around.hidden = owners.hidden;
        let known = owners.holders.iter();
        around.known = known
            .map(|holder| Holder { pid: holder.pid, comm: &holder.comm, fd: holder.fd })
            .collect();
        let process = || owners.holders.first().and_then(|holder| holder.cgroup.as_deref());
        if !owners.holders.is_empty() {
            around.name(around.cgroup_path.filter(|path| *path != "/").or_else(process));
        }
    }
}

impl<'a> Around<'a> {
    fn name(&mut self, path: Option<&'a str>) {
        self.unit = path.and_then(unit);
        self.container = path.and_then(container).map(|found| found.short_id().to_owned());
    }

    /// Name of a process that holds it.
    pub(super) fn process(&self) -> Option<&'a str> {
        self.known.first().map(|holder| holder.comm)
    }

    /// As rows show it.
    pub(super) fn processes(&self) -> Processes<'_> {
        match (self.asked, self.hidden) {
            (false, _) => Processes::NotAsked,
            (true, true) => Processes::Hidden,
            (true, false) => Processes::Known(&self.known),
        }
    }

    /// As filters ask for it.
    pub(super) fn for_filter(&self) -> Vec<Process<'_>> {
        self.known
            .iter()
            .map(|holder| Process {
                pid: holder.pid,
                comm: holder.comm,
                unit: self.unit.as_deref(),
                container: self.container.as_deref(),
            })
            .collect()
    }

    /// As filters ask for it, with the processes that [`Around::for_filter`] made.
    pub(super) fn owner<'s>(&self, processes: &'s [Process<'s>]) -> Owner<'s> {
        match (self.asked, self.hidden, processes) {
            (false, ..) => Owner::Pending,
            (true, true, _) => Owner::Hidden,
            (true, false, []) => Owner::None,
            (true, false, processes) => Owner::Known(processes),
        }
    }
}
