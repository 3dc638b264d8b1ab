//! The holders and cgroups of sockets, each recorded once.

use std::hash::{Hash as _, Hasher as _};
use std::mem;

use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use super::owners::{OwnerResolver, socket_owners};
use crate::procfs::{Ownership, Wanted};
use crate::recording::{CgroupPath, Kind, Output, SharedWriter, SocketOwners};
use crate::wire::Reply;

/// The holders and cgroups that a recording has, and those to add.
#[derive(Debug, Default)]
pub(super) struct RecordedOwners {
    /// Sockets of the current sample whose holders are to be looked up.
    wanted: Vec<Wanted>,
    /// A hash of the holders that are recorded, by inode: of the current interval, and of the one
    /// before. The inode of a socket that is gone may come back as another one's.
    recorded: [FxHashMap<u32, u64>; 2],
    recorded_cgroups: FxHashSet<u64>,
    owners: Vec<SocketOwners>,
    cgroups: Vec<CgroupPath>,
}

impl RecordedOwners {
    /// Begins another file, which needs all of them.
    pub(super) fn forget(&mut self) {
        self.recorded.iter_mut().for_each(FxHashMap::clear);
        self.recorded_cgroups.clear();
    }

    /// Begins an interval.
    pub(super) fn begin_interval(&mut self) {
        let [now, before] = &mut self.recorded;
        mem::swap(now, before);
        now.clear();
    }

    /// Adds a socket to look up.
    #[inline]
    pub(super) fn want(&mut self, reply: &Reply<'_>) {
        let (inode, cgroup_id) = (reply.inode(), reply.cgroup_id());
        if inode != 0 || cgroup_id.is_some() {
            self.wanted.push(Wanted { inode, uid: reply.uid(), cgroup_id });
        }
    }

    /// The sockets to look up.
    pub(super) fn take_wanted(&mut self) -> Vec<Wanted> {
        mem::take(&mut self.wanted)
    }

    /// Adds the owners of a socket, unless they are recorded already.
    pub(super) fn add(&mut self, socket: &Wanted, owners: &OwnerResolver) {
        self.add_cgroup(socket.cgroup_id, owners);
        let inode = socket.inode;
        let Some(found) = owners.found(inode) else { return };
        let mark = mark(found);
        let [now, before] = &mut self.recorded;
        let known = now.insert(inode, mark).or_else(|| before.get(&inode).copied());
        if known != Some(mark) {
            self.owners.push(socket_owners(inode, found));
        }
    }

    /// Adds the path of a cgroup, unless it is recorded already.
    pub(super) fn add_cgroup(&mut self, id: Option<u64>, owners: &OwnerResolver) {
        if let Some(id) = id
            && !self.recorded_cgroups.contains(&id)
            && let Some(path) = owners.cgroup_path_of(id)
        {
            self.recorded_cgroups.insert(id);
            self.cgroups.push(CgroupPath { id, path: path.to_owned() });
        }
    }

    /// Writes what was added.
    pub(super) fn write(&mut self, writer: &SharedWriter<Output>) {
        writer.json_lines(Kind::Cgroup, 0, self.cgroups.drain(..));
        writer.json_lines(Kind::Owners, 0, self.owners.drain(..));
    }
}

/// A hash of the holders of a socket.
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
