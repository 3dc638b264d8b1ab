//! Who holds the sockets, told once.

use std::hash::{Hash as _, Hasher as _};
use std::path::Path;

use anyhow::Context as _;
use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use super::output::Output;
use crate::procfs::{Cgroups, Owners, Ownership, Scope, Wanted};
use crate::recording::{CgroupPath, Kind, SharedWriter, SocketHolder, SocketOwners};
use crate::wire::Reply;

/// The holders of all sockets, and what the recording knows of them already.
pub(super) struct Holders {
    owners: Owners,
    /// A host without cgroup version 2, or a sandbox without /sys, has no paths.
    cgroups: Option<Cgroups>,
    /// The sockets of the sample that runs.
    wanted: Vec<Wanted>,
    /// What was told of an inode, as a hash.
    told: FxHashMap<u32, u64>,
    told_cgroups: FxHashSet<u64>,
}

impl Holders {
    pub(super) fn new() -> anyhow::Result<Self> {
        let proc_root = Path::new("/proc");
        Ok(Self {
            owners: Owners::new(proc_root).context("cannot look for the owners of sockets")?,
            cgroups: Cgroups::new(proc_root).ok(),
            wanted: Vec::new(),
            told: FxHashMap::default(),
            told_cgroups: FxHashSet::default(),
        })
    }

    /// Another recording goes on, which has to be told everything.
    pub(super) fn forget(&mut self) {
        self.told.clear();
        self.told_cgroups.clear();
    }

    /// A socket of the sample that runs.
    pub(super) fn see(&mut self, reply: &Reply<'_>) {
        let (inode, cgroup_id) = (reply.inode(), reply.cgroup_id());
        if inode != 0 || cgroup_id.is_some() {
            self.wanted.push(Wanted { inode, uid: reply.uid(), cgroup_id });
        }
    }

    /// Writes down what is new of the sockets that were seen.
    pub(super) fn tell(&mut self, tape: &SharedWriter<Output>) -> anyhow::Result<()> {
        let wanted = std::mem::take(&mut self.wanted);
        self.tell_cgroups(&wanted, tape);
        self.owners
            .resolve(&wanted, Scope::First, self.cgroups.as_ref())
            .context("cannot look for the owners of sockets")?;
        let mut before = std::mem::take(&mut self.told);
        let mut news = Vec::new();
        for Wanted { inode, .. } in wanted.into_iter().filter(|wanted| wanted.inode != 0) {
            let found = self.owners.owner(inode);
            let mark = mark(found);
            // The inode of a socket that is gone may come back as another one's.
            if before.remove(&inode) != Some(mark) && self.told.get(&inode) != Some(&mark) {
                news.push(line(inode, found));
            }
            self.told.insert(inode, mark);
        }
        tape.json_lines(Kind::Owners, 0, news);
        Ok(())
    }

    fn tell_cgroups(&mut self, wanted: &[Wanted], tape: &SharedWriter<Output>) {
        let Some(cgroups) = &mut self.cgroups else { return };
        let ids = wanted.iter().filter_map(|wanted| wanted.cgroup_id);
        let mut seen = FxHashSet::default();
        seen.extend(ids);
        cgroups.learn(seen.iter().copied());
        self.told_cgroups.retain(|id| seen.contains(id));
        let mut news = Vec::new();
        for id in seen {
            if let Some(path) = cgroups.path(id)
                && self.told_cgroups.insert(id)
            {
                news.push(CgroupPath { id, path: path.to_owned() });
            }
        }
        news.sort_by_key(|cgroup| cgroup.id);
        tape.json_lines(Kind::Cgroup, 0, news);
    }
}

/// What is found of a socket, as a recording has it.
pub(in crate::cli) fn line(inode: u32, found: Ownership<'_>) -> SocketOwners {
    let hidden = matches!(found, Ownership::Hidden);
    let Ownership::Known(holders) = found else {
        return SocketOwners { inode, holders: Vec::new(), hidden };
    };
    let holders = holders.iter().map(|holder| SocketHolder {
        pid: holder.pid,
        fd: holder.fd,
        comm: holder.process.comm.clone(),
        cgroup: holder.process.cgroup().map(str::to_owned),
    });
    SocketOwners { inode, holders: holders.collect(), hidden }
}

/// What tells one answer from another.
fn mark(found: Ownership<'_>) -> u64 {
    let mut hasher = FxHasher::default();
    match found {
        Ownership::Known(holders) => {
            for holder in holders {
                let process = &holder.process;
                (holder.pid, holder.fd, process.start_time, &process.comm).hash(&mut hasher);
            }
        }
        Ownership::Hidden => 1u8.hash(&mut hasher),
        Ownership::None | Ownership::Unasked => {}
    }
    hasher.finish()
}
