//! Which processes hold which sockets.
//!
//! Knows: socket inode numbers, the processes whose descriptors refer to them, and what may be
//! hidden. Refuses to know: TCP, services, output.
//!
//! The kernel has no way from a socket to its holders, only `/proc/PID/fd` the other way round.
//! So the answer is kept from poll to poll, a search happens only for sockets that are new, and
//! it stops as soon as each of them has a holder (`search` has the order). A socket that nobody in
//! sight holds is the kernel's own, was closed since the dump, or has a hidden owner; the last is
//! claimed whenever it cannot be ruled out.

use std::path::Path;

use rustc_hash::{FxHashMap, FxHashSet};

use super::cgroup::Cgroups;
use super::holders::Holders;
pub use super::holders::{Holder, ProcessFacts};
pub use super::owner_search::Effort;
use super::owner_search::{OwnerSearch, Process, Socket};
use super::proc_walk::{ProcWalk, WalkError};
use super::visibility::OwnerLimits;

/// A socket that was searched for in vain is searched for again after so many polls. Not sooner:
/// as an unprivileged user most sockets are like this, and each poll would read all of `/proc`.
const RETRY_AFTER: u32 = 30;

/// A process that held no wanted socket for so many polls is no longer a likely holder.
const LIKELY_FOR: u32 = 16;

/// Up to so many known sockets every poll checks each at its descriptor. Above, a poll checks
/// that the processes are the same, and one in [`ROTATION`] of the descriptors: at 2.5 µs each,
/// 50 000 would cost as much as a search.
const CHECKED_EACH_POLL: usize = 256;

/// See [`CHECKED_EACH_POLL`].
const ROTATION: u32 = 16;

/// A socket whose holders are asked for, as a dump shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// `idiag_inode`; 0 for a socket that no descriptor refers to (orphans, `TIME_WAIT`, not yet
    /// accepted), which has no owner by definition.
    pub inode: u32,
    /// `idiag_uid`: whoever made the socket, so probably whoever holds it.
    pub uid: u32,
    /// `INET_DIAG_CGROUP_ID`: where it was made, so probably where its holder is.
    pub cgroup_id: Option<u64>,
}

/// How far to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Until each socket has a holder, and through that one's relatives. A socket that was handed
    /// to an unrelated process (by `SCM_RIGHTS`) is shown with the first holder found only; so is
    /// one that a relative with more than 1 024 descriptors has at another number.
    First,
    /// Every process: all holders, at the price of a full walk for each new socket.
    All,
}

/// The answer for one socket.
#[derive(Debug, Clone, Copy)]
pub enum Ownership<'owners> {
    /// These descriptors refer to it; ordered by pid and descriptor, never empty.
    Known(&'owners [Holder]),
    /// Nobody in sight holds it, but not everybody is in sight: see [`Owners::limits`].
    Hidden,
    /// Nobody holds it: an orphan, the kernel's own, or closed since the dump.
    None,
    /// The last poll did not ask for it.
    Unasked,
}

/// The owners of sockets, kept from poll to poll.
#[derive(Debug)]
pub struct Owners {
    walk: ProcWalk,
    sockets: FxHashMap<u32, Socket>,
    processes: FxHashMap<u32, Process>,
    limits: OwnerLimits,
    effort: Effort,
    poll: u32,
}

impl Owners {
    /// Opens the procfs at `proc_root`, in general `/proc`.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn new(proc_root: &Path) -> Result<Self, WalkError> {
        Ok(Self {
            walk: ProcWalk::open(proc_root)?,
            sockets: FxHashMap::default(),
            processes: FxHashMap::default(),
            limits: OwnerLimits::probe(proc_root),
            effort: Effort::default(),
            poll: 0,
        })
    }

    /// Finds the holders of `wanted`; everything not wanted now is forgotten, since the kernel
    /// reuses inode numbers. Reads `/proc` only for sockets not known from the previous poll.
    /// `cgroups`, having learnt the sockets' cgroups, makes the search shorter.
    ///
    /// # Errors
    /// When `/proc` cannot be listed, or this process is out of descriptors or memory. What is
    /// wrong with a single process is no error: see [`Owners::limits`].
    pub fn resolve(
        &mut self,
        wanted: &[Wanted],
        scope: Scope,
        cgroups: Option<&Cgroups>,
    ) -> Result<(), WalkError> {
        self.poll = self.poll.wrapping_add(1);
        self.effort = Effort::default();
        self.carry_over(wanted);
        self.verify();
        let sought = self.seek();
        if sought > 0 {
            self.search(wanted, scope, cgroups)?;
        }
        Ok(())
    }

    /// Who holds the socket with this inode number.
    #[must_use]
    pub fn owner(&self, inode: u32) -> Ownership<'_> {
        if inode == 0 {
            return Ownership::None;
        }
        match self.sockets.get(&inode) {
            None => Ownership::Unasked,
            Some(socket) if !socket.holders.is_empty() => {
                Ownership::Known(socket.holders.as_slice())
            }
            Some(socket) if socket.hidden => Ownership::Hidden,
            Some(_) => Ownership::None,
        }
    }

    /// Gives the memory of all sockets back, and keeps what is known of processes.
    pub fn forget(&mut self) {
        self.sockets = FxHashMap::default();
    }

    /// What hides owners here. The number of hidden processes is that of the last search that
    /// had to look at all of them.
    #[must_use]
    pub fn limits(&self) -> OwnerLimits {
        self.limits
    }

    /// What the last [`Owners::resolve`] read; nothing when everything was known.
    #[must_use]
    pub fn effort(&self) -> Effort {
        self.effort
    }

    /// Marks what is wanted now and drops the rest.
    fn carry_over(&mut self, wanted: &[Wanted]) {
        for wanted in wanted.iter().filter(|wanted| wanted.inode != 0) {
            self.sockets.entry(wanted.inode).or_default().asked = self.poll;
        }
        let poll = self.poll;
        self.sockets.retain(|_, socket| socket.asked == poll);
        self.processes.retain(|_, process| poll.wrapping_sub(process.useful) <= LIKELY_FOR);
    }

    /// Drops known holders that are no longer there.
    fn verify(&mut self) {
        let poll = self.poll;
        let known = self.sockets.values().filter(|socket| !socket.holders.is_empty()).count();
        let due = |key: u32| known <= CHECKED_EACH_POLL || (key ^ poll).is_multiple_of(ROTATION);
        let (walk, processes) = (&mut self.walk, &mut self.processes);
        for (&inode, socket) in &mut self.sockets {
            socket.holders.retain(|holder| {
                let Some(process) = processes.get_mut(&holder.pid) else {
                    return false;
                };
                if process.verified != poll
                    && !process.is_still_there(walk, holder.pid, poll, due(holder.pid))
                {
                    processes.remove(&holder.pid);
                    return false;
                }
                process.useful = poll;
                if holder.process.start_time != process.facts.start_time {
                    return false;
                }
                holder.process.clone_from(&process.facts);
                !due(inode) || walk.socket_at(holder.pid, holder.fd) == Some(inode)
            });
        }
    }

    /// Marks the sockets to search for and counts them.
    fn seek(&mut self) -> usize {
        let poll = self.poll;
        let mut sought = 0;
        for socket in self.sockets.values_mut() {
            let due = socket.missed.is_none_or(|missed| poll.wrapping_sub(missed) >= RETRY_AFTER);
            socket.sought = socket.holders.is_empty() && due;
            sought += usize::from(socket.sought);
        }
        sought
    }

    fn search(
        &mut self,
        wanted: &[Wanted],
        scope: Scope,
        cgroups: Option<&Cgroups>,
    ) -> Result<(), WalkError> {
        let sought =
            |wanted: &&Wanted| self.sockets.get(&wanted.inode).is_some_and(|socket| socket.sought);
        let uids: FxHashSet<u32> = wanted.iter().filter(sought).map(|wanted| wanted.uid).collect();
        let ids: FxHashSet<u64> =
            wanted.iter().filter(sought).filter_map(|wanted| wanted.cgroup_id).collect();
        let mut likely: Vec<u32> = self.processes.keys().copied().collect();
        if let Some(cgroups) = cgroups {
            let narrow = ids.into_iter().filter(|&id| !cgroups.is_root(id));
            likely.extend(narrow.flat_map(|id| cgroups.processes(id)));
        }
        if scope == Scope::All {
            for socket in self.sockets.values_mut() {
                (socket.holders, socket.sought) = (Holders::default(), true);
            }
        }
        let mut search =
            OwnerSearch::new(&mut self.walk, &mut self.sockets, &mut self.processes, self.poll);
        match scope {
            Scope::First => search.likeliest_first(&likely, &uids)?,
            Scope::All => search.everywhere()?,
        }
        self.effort = search.effort;
        if search.effort.exhaustive {
            self.limits.processes_hidden = search.refused;
        }
        self.settle();
        Ok(())
    }

    /// Remembers what was not found, so that the next poll does not search for it.
    fn settle(&mut self) {
        let hidden = self.limits.hides();
        for socket in self.sockets.values_mut() {
            socket.holders.sort();
            if !socket.holders.is_empty() {
                socket.missed = None;
            } else if socket.sought {
                socket.missed = Some(self.poll);
                socket.hidden = hidden;
            }
        }
    }
}

impl Process {
    /// Whether the pid still stands for this process. `thoroughly` also notices a new name, by
    /// `execve` or `PR_SET_NAME`.
    fn is_still_there(
        &mut self,
        walk: &mut ProcWalk,
        pid: u32,
        poll: u32,
        thoroughly: bool,
    ) -> bool {
        let directory = walk.directory_inode(pid);
        if directory.is_none() {
            return false;
        }
        self.verified = poll;
        if directory == self.directory && !thoroughly {
            return true;
        }
        let Some(now) = Self::read(walk, pid, poll) else {
            return false;
        };
        let same = now.facts.start_time == self.facts.start_time;
        if same && now.facts.comm == self.facts.comm && now.facts.parent == self.facts.parent {
            // Keeps the facts, which may know the cgroup already.
            self.directory = now.directory;
        } else {
            *self = now;
        }
        same
    }
}

#[cfg(test)]
#[path = "owners_tests.rs"]
mod tests;
