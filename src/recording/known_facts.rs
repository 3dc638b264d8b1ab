//! What a recording reported of sockets that were not closed yet, and how much of that is kept.

use rustc_hash::FxHashSet;

use super::bounds::{Shown, sockets};
use super::error::Damage;
use super::facts::{CgroupPath, InterfaceName, SocketOwners};
use super::sample::{RecordedNamespace, Sample};
use crate::wire::uapi::{SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK};
use crate::wire::{Messages, Reply};

/// What is added is looked at after so many bytes.
const CHECK_EVERY: usize = 4 << 20;

/// What an entry takes besides its texts.
const ENTRY: usize = 64;

/// Checks that the facts of a sample do not grow without end: owners of sockets that are gone are
/// dropped when they become too many.
#[derive(Debug, Default)]
pub(super) struct KnownFacts {
    /// Bytes since the last check.
    added: usize,
    /// Names that the sample needs in which there were too many. A socket that closed since then
    /// is reported with the next one.
    before: Option<InUse>,
}

/// What the sockets of a sample refer to.
#[derive(Debug, Default)]
struct InUse {
    inodes: FxHashSet<u32>,
    cgroups: FxHashSet<u64>,
}

impl KnownFacts {
    /// So many bytes become known.
    pub(super) fn add(&mut self, bytes: usize) {
        self.added = self.added.saturating_add(bytes);
    }

    /// Drops what is of no use any more from a sample that is just shown, if there is too much.
    pub(super) fn check(&mut self, sample: &mut Sample) -> Result<(), Damage> {
        let is_due = self.added >= CHECK_EVERY || self.before.is_some();
        // An early sample need not have all sockets.
        if !is_due || sample.early && self.added < 2 * CHECK_EVERY {
            return Ok(());
        }
        let dumps = || sample.namespaces.iter().map(|namespace| namespace.part.dump.as_slice());
        let mut shown = Shown { sockets: sockets(dumps()), namespaces: sample.namespaces.len() };
        let mut in_use = InUse::of(dumps());
        let Some(before) = self.before.take() else {
            self.added = 0;
            if held(sample) > shown.allowance() {
                self.before = Some(in_use);
            }
            return Ok(());
        };
        shown.sockets += before.inodes.len();
        in_use.inodes.extend(before.inodes);
        in_use.cgroups.extend(before.cgroups);
        sample.owners.retain(|inode, _| in_use.inodes.contains(inode));
        sample.cgroups.retain(|id, _| in_use.cgroups.contains(id));
        self.added = 0;
        if held(sample) <= shown.allowance() {
            return Ok(());
        }
        (sample.owners, sample.cgroups) = Default::default();
        for namespace in &mut sample.namespaces {
            (namespace.interfaces, namespace.settings) = Default::default();
        }
        Err(Damage::Facts)
    }
}

impl InUse {
    fn of<'a>(dumps: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut in_use = Self::default();
        for message in dumps.flat_map(Messages::new).flatten() {
            if let SOCK_DIAG_BY_FAMILY | TCPDIAG_GETSOCK = message.kind
                && let Some(reply) = Reply::new(message.payload)
            {
                in_use.inodes.insert(reply.inode());
                in_use.cgroups.extend(reply.cgroup_id());
            }
        }
        in_use
    }
}

/// The bytes of what a sample holds besides dumps, events and counters.
fn held(sample: &Sample) -> usize {
    let owners: usize = sample.owners.values().map(size_of_owners).sum();
    let cgroups: usize = sample.cgroups.values().map(|path| ENTRY + path.len()).sum();
    let of = |namespace: &RecordedNamespace| {
        let names: usize = namespace.interfaces.values().map(|name| ENTRY + name.len()).sum();
        names + namespace.settings.len()
    };
    owners + cgroups + sample.namespaces.iter().map(of).sum::<usize>()
}

/// The bytes of these owners in memory.
pub(super) fn size_of_owners(owners: &SocketOwners) -> usize {
    let texts = owners
        .holders
        .iter()
        .flat_map(|holder| [Some(&holder.comm), holder.program.as_ref(), holder.cgroup.as_ref()]);
    let texts: usize = texts.flatten().map(String::len).sum();
    ENTRY + 2 * ENTRY * owners.holders.len() + texts
}

/// The bytes of this path.
pub(super) fn size_of_cgroup(cgroup: &CgroupPath) -> usize {
    ENTRY + cgroup.path.len()
}

/// The bytes of this name.
pub(super) fn size_of_interface(interface: &InterfaceName) -> usize {
    ENTRY + interface.name.len()
}
