//! Network namespaces that come and go while all of them are recorded.

use std::time::{Duration, Instant};

use rustc_hash::FxHashSet;

use crate::procfs::{Namespaces, NetNamespace};

/// How often all processes are asked, at most.
const EVERY: Duration = Duration::from_secs(5);

/// Who is there.
#[derive(Debug)]
pub(super) struct Census {
    namespaces: Namespaces,
    last: Instant,
    /// Those that could not be entered.
    refused: FxHashSet<u64>,
}

/// What changed.
#[derive(Debug, Default)]
pub(super) struct Change {
    pub(super) came: Vec<NetNamespace>,
    /// Inodes.
    pub(super) went: FxHashSet<u64>,
}

impl Census {
    /// Begins with what was found just now.
    pub(super) fn new() -> Self {
        Self {
            namespaces: Namespaces::new("/proc".as_ref()),
            last: Instant::now(),
            refused: FxHashSet::default(),
        }
    }

    /// What changed since these were found, looked at from time to time. A namespace is gone when
    /// nothing is in sight by which it could be found: recording it would keep it alive.
    pub(super) fn take<'a>(&mut self, known: impl Iterator<Item = &'a NetNamespace>) -> Change {
        if self.last.elapsed() < EVERY {
            return Change::default();
        }
        self.last = Instant::now();
        let Ok(all) = self.namespaces.all() else { return Change::default() };
        let known: FxHashSet<u64> = known.map(|place| place.inode).collect();
        let there: FxHashSet<u64> = all.namespaces.iter().map(|place| place.inode).collect();
        self.refused.retain(|inode| there.contains(inode));
        let is_new = |inode| !known.contains(&inode) && !self.refused.contains(&inode);
        Change {
            came: all.namespaces.into_iter().filter(|place| is_new(place.inode)).collect(),
            went: known.difference(&there).copied().collect(),
        }
    }

    /// One of those that came cannot be entered, which is said once.
    pub(super) fn refuse(&mut self, inode: u64) {
        self.refused.insert(inode);
    }
}
