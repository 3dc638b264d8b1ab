//! Which processes hold which sockets, by inode number.
//!
//! The kernel does not list the holders of a socket, only the sockets of a process: `/proc/PID/fd`.
//! So the answer is kept from poll to poll, a search happens only for sockets that are new, and it
//! stops as soon as each of them has a holder (`owner_search` has the order). A socket without a
//! visible holder is the kernel's own, was closed since the dump, or has a hidden owner. It counts
//! as hidden unless that can be ruled out.

use std::path::Path;

use rustc_hash::{FxHashMap, FxHashSet};

use super::cgroup::Cgroups;
use super::holders::Holders;
pub use super::holders::{Holder, ProcessFacts};
pub use super::owner_search::Effort;
use super::owner_search::{Compared, OwnerSearch, Process, Socket, ThreadBudget};
use super::proc_walk::{ProcWalk, WalkError};
use super::visibility::OwnerLimits;

/// A socket that a search did not find is searched for again after so many polls. Not sooner: for
/// an unprivileged user most sockets are like this, and each poll would read all of `/proc`.
const RETRY_AFTER: u32 = 30;

/// A process that held no wanted socket for so many polls is no longer a likely holder.
const LIKELY_FOR: u32 = 16;

/// Up to so many known sockets every poll checks each at its descriptor. Above, a poll checks that
/// the processes are the same, and one in [`ROTATION`] of the descriptors: 50 000, at 2.5 µs each,
/// would cost as much as a search.
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
    /// Until each socket has a holder, then the relatives of that holder. A socket that was passed
    /// to an unrelated process (by `SCM_RIGHTS`) is shown with the first holder found only; so is
    /// one that a relative with more than 1 024 descriptors has at another number.
    First,
    /// The same, for listeners: the first sockets of all processes are read before the rest.
    Listeners,
    /// Every process: all holders, for the cost of a full walk for each new socket. Threads with
    /// descriptor tables of their own are read only where no process holds a socket.
    All,
}

/// The answer for one socket.
#[derive(Debug, Clone, Copy)]
pub enum Ownership<'owners> {
    /// These descriptors refer to it; ordered by pid and descriptor, never empty.
    Known(&'owners [Holder]),
    /// No visible process holds it, but not all processes are visible: see [`Owners::limits`].
    Hidden,
    /// No process holds it: an orphan, the kernel's own, or closed since the dump.
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
    /// Processes whose threads were found to share one table.
    compared: FxHashMap<u32, Compared>,
    limits: OwnerLimits,
    effort: Effort,
    thread_budget: ThreadBudget,
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
            compared: FxHashMap::default(),
            limits: OwnerLimits::probe(proc_root),
            effort: Effort::default(),
            thread_budget: ThreadBudget::default(),
            poll: 0,
        })
    }

    /// Finds the holders of `wanted` and forgets all other sockets, since the kernel reuses inode
    /// numbers. Reads `/proc` only for sockets not known from the previous poll. The search is
    /// shorter where `cgroups` knows the cgroups of the sockets.
    ///
    /// # Errors
    /// When `/proc` cannot be listed, or this process is out of descriptors or memory. A process
    /// that cannot be read is no error: see [`Owners::limits`].
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

    /// Finds holders among these processes only, whose descriptors may come to `most`. Sockets that
    /// were not found count as not asked for. Returns whether all that is needed was read.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn resolve_among(
        &mut self,
        wanted: &[Wanted],
        processes: &[u32],
        most: u64,
    ) -> Result<bool, WalkError> {
        self.poll = self.poll.wrapping_add(1);
        self.effort = Effort::default();
        self.carry_over(wanted);
        self.verify();
        if self.seek() == 0 {
            return Ok(true);
        }
        let mut search = OwnerSearch::new(
            &mut self.walk,
            &mut self.sockets,
            &mut self.processes,
            &mut self.compared,
            self.poll,
            self.thread_budget,
        );
        let is_complete = search.among(processes, most)?;
        self.effort = search.effort;
        self.sockets.retain(|_, socket| !socket.holders.is_empty());
        Ok(is_complete)
    }

    /// Processes that held sockets which were asked for.
    pub fn processes(&self) -> impl Iterator<Item = u32> + '_ {
        self.processes.keys().copied()
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

    /// Forgets all sockets and frees their memory; keeps what is known about processes.
    pub fn forget(&mut self) {
        self.sockets = FxHashMap::default();
    }

    /// What hides owners here. The numbers of processes and threads are those of the last search
    /// that had to read all of them.
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
                    && !process.is_same(walk, holder.pid, poll, due(holder.pid))
                {
                    processes.remove(&holder.pid);
                    return false;
                }
                process.useful = poll;
                if holder.process.start_time != process.facts.start_time {
                    return false;
                }
                holder.process.clone_from(&process.facts);
                !due(inode) || walk.socket_at(holder.task(), holder.fd) == Some(inode)
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
        let mut search = OwnerSearch::new(
            &mut self.walk,
            &mut self.sockets,
            &mut self.processes,
            &mut self.compared,
            self.poll,
            self.thread_budget,
        );
        match scope {
            Scope::First => search.likeliest_first(&likely, &uids, false)?,
            Scope::Listeners => search.likeliest_first(&likely, &uids, true)?,
            Scope::All => search.everywhere()?,
        }
        self.effort = search.effort;
        if search.effort.exhaustive {
            self.limits.processes_hidden = search.refused.len() as u64;
            self.limits.threads_unread = search.threads_unread;
        }
        self.settle();
        Ok(())
    }

    /// Marks what was not found, so that the next poll does not search for it.
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
    /// Whether the pid still belongs to this process. `thoroughly` also notices a new name, by
    /// `execve` or `PR_SET_NAME`.
    fn is_same(&mut self, walk: &mut ProcWalk, pid: u32, poll: u32, thoroughly: bool) -> bool {
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
        let (facts, known) = (&now.facts, &self.facts);
        if same
            && facts.comm == known.comm
            && facts.parent == known.parent
            && facts.leader_ended == known.leader_ended
        {
            // Keeps the facts, which may have read the cgroup already.
            self.directory = now.directory;
        } else {
            let threads = std::mem::take(&mut self.threads);
            *self = now;
            self.threads = if same { threads } else { Vec::new() };
        }
        same
    }
}

#[cfg(test)]
#[path = "owners_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "owners_thread_tests.rs"]
mod thread_tests;
