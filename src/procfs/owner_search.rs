//! One search of `/proc` for the holders of wanted sockets: the order in which processes are worth
//! reading, and when to stop. `owners` keeps the result from poll to poll.
//!
//! Costs (Linux 6.18, 2 079 processes, 56 000 descriptors): listing `/proc` 1.0 µs per
//! process, `stat` of `/proc/PID/fd` 3.6 µs, one link read without opening the directory 3.8 µs,
//! opening, listing and closing a directory of three descriptors 10 µs, every link in it 3 µs.
//! So the owner and size of each process, and one link of most of them, cost a small part of
//! reading them all.

use std::ops::ControlFlow;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::holders::{Holder, Holders, ProcessFacts};
use super::inode_age::{self, FEW, LARGE};
use super::proc_walk::{ProcWalk, Reading, Task, WalkError};

mod threads;

pub(super) use threads::{Compared, ThreadBudget};

/// Standard input, output and error. A process with no more than these seldom has a socket among
/// them, and most idle processes have just these.
const STANDARD_STREAMS: u64 = 3;

/// A table up to this size is read rather than sampled: a sample would cost a fifth as much.
const SMALL: u64 = 6;

/// Siblings of a holder are read up to this number when their parent does not hold the socket
/// itself. More siblings are all the daemons of a host, not workers of one program.
const SIBLINGS: usize = 32;

/// After so many relatives that held nothing, the rest is not read.
const FRUITLESS_RELATIVES: usize = 256;

/// With more holders than this, reading the rest of the processes costs less than listing the
/// relatives of each holder.
const MANY_HOLDERS: usize = 256;

/// What a search read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// Processes whose descriptors were read.
    pub processes_read: u64,
    /// Sockets among the descriptors that were read.
    pub sockets_seen: u64,
    /// Threads that were compared with the leader of their process.
    pub threads_compared: u64,
    /// Whether every visible process was read.
    pub exhaustive: bool,
}

/// What is known about one wanted socket.
#[derive(Debug, Default)]
pub(super) struct Socket {
    /// The poll that last asked for it.
    pub(super) asked: u32,
    /// The poll in which a search did not find it.
    pub(super) missed: Option<u32>,
    /// Whether something was hidden from that search.
    pub(super) hidden: bool,
    /// Whether the current search is for it.
    pub(super) sought: bool,
    pub(super) holders: Holders,
}

/// A process that held a wanted socket.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) facts: Arc<ProcessFacts>,
    /// The inode number of its directory: as long as it is the same, so is the process.
    pub(super) directory: Option<u64>,
    /// Threads in whose own descriptor tables wanted sockets were found.
    pub(super) threads: Vec<u32>,
    /// The poll in which it was last known to be the same process.
    pub(super) verified: u32,
    /// The poll in which it last held a wanted socket.
    pub(super) useful: u32,
}

/// A process to read, and the size of its descriptor table.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    pid: u32,
    open: Option<u64>,
}

pub(super) struct OwnerSearch<'search> {
    pub(super) walk: &'search mut ProcWalk,
    pub(super) sockets: &'search mut FxHashMap<u32, Socket>,
    pub(super) processes: &'search mut FxHashMap<u32, Process>,
    compared: &'search mut FxHashMap<u32, Compared>,
    pub(super) poll: u32,
    /// Sought sockets without a holder.
    pub(super) remaining: usize,
    /// Processes whose descriptors may not be read.
    pub(super) refused: FxHashSet<u32>,
    /// Threads that were left out, because the budget was spent.
    pub(super) threads_unread: u64,
    pub(super) effort: Effort,
    budget: ThreadBudget,
    /// Whether one holder for each is enough.
    stops_early: bool,
    /// Sockets of a table after which it is put aside.
    most: Option<u64>,
    /// Processes whose tables were put aside.
    cut: Vec<u32>,
    examined: FxHashSet<u32>,
    /// Processes whose leader has no descriptors; not examined yet.
    without_descriptors: Vec<u32>,
    /// The table that was read of each examined process.
    read_tables: Vec<Task>,
    /// Holders of sought sockets, in the order of discovery.
    found: Vec<u32>,
    hits: Vec<(u32, u32)>,
    /// Parents whose children were listed.
    families: FxHashSet<u32>,
}

impl<'search> OwnerSearch<'search> {
    pub(super) fn new(
        walk: &'search mut ProcWalk,
        sockets: &'search mut FxHashMap<u32, Socket>,
        processes: &'search mut FxHashMap<u32, Process>,
        compared: &'search mut FxHashMap<u32, Compared>,
        poll: u32,
        budget: ThreadBudget,
    ) -> Self {
        let remaining = sockets.values().filter(|socket| socket.sought).count();
        Self {
            walk,
            sockets,
            processes,
            compared,
            poll,
            remaining,
            refused: FxHashSet::default(),
            threads_unread: 0,
            effort: Effort::default(),
            budget,
            stops_early: false,
            most: None,
            cut: Vec::new(),
            examined: FxHashSet::default(),
            without_descriptors: Vec::new(),
            read_tables: Vec::new(),
            found: Vec::new(),
            hits: Vec::new(),
            families: FxHashSet::default(),
        }
    }

    /// Reads every process.
    pub(super) fn everywhere(&mut self) -> Result<(), WalkError> {
        let mut pids = Vec::new();
        self.walk.list(&mut pids)?;
        for pid in pids {
            self.examine(pid)?;
        }
        self.effort.exhaustive = true;
        if self.remaining > 0 {
            self.examine_threads()?;
        }
        Ok(())
    }

    /// Reads processes, likely holders first, until every sought socket has a holder: `likely`
    /// before all others, and in both those owned by one of `uids` before the rest. Reads other
    /// threads where that was not enough. Then the relatives of the holders, since forked
    /// processes share sockets. Listeners are made early, so where these are sought the first
    /// sockets of all processes are read before the rest of any.
    pub(super) fn likeliest_first(
        &mut self,
        likely: &[u32],
        uids: &FxHashSet<u32>,
        listeners: bool,
    ) -> Result<(), WalkError> {
        self.stops_early = true;
        self.most = listeners.then_some(LARGE);
        self.examine_ranked(likely, uids)?;
        if self.remaining > 0 {
            let mut pids = Vec::new();
            self.walk.list(&mut pids)?;
            self.examine_ranked(&pids, uids)?;
            self.examine_cut()?;
            self.effort.exhaustive = self.remaining > 0;
        }
        if self.remaining > 0 {
            self.examine_threads()?;
        }
        // Of relatives the first sockets are enough: fork(2) keeps the numbers of descriptors.
        self.most = listeners.then_some(LARGE);
        if !self.effort.exhaustive {
            self.examine_relatives()?;
        }
        Ok(())
    }

    /// Reads these processes only, until every sought socket has a holder. Returns whether all were
    /// read that are needed: tables are left out that would bring the descriptors to more than
    /// `most`.
    pub(super) fn among(&mut self, pids: &[u32], most: u64) -> Result<bool, WalkError> {
        self.stops_early = true;
        let mut left = most;
        let mut is_complete = true;
        for &pid in pids {
            if self.remaining == 0 {
                return Ok(true);
            }
            let open = self.walk.table(pid).and_then(|table| table.open).unwrap_or(0);
            match left.checked_sub(open) {
                Some(rest) => {
                    left = rest;
                    self.examine(pid)?;
                }
                None => is_complete = false,
            }
        }
        Ok(is_complete || self.remaining == 0)
    }

    fn examine_ranked(&mut self, pids: &[u32], uids: &FxHashSet<u32>) -> Result<(), WalkError> {
        let (mut same_user, mut others) = (Vec::new(), Vec::new());
        for &pid in pids {
            if self.examined.contains(&pid) {
                continue;
            }
            let Some(table) = self.walk.table(pid) else {
                continue;
            };
            // Kernel threads and zombies: nothing to read, and nothing that could be refused.
            if table.open == Some(0) {
                self.without_descriptors.push(pid);
                continue;
            }
            if self.walk.is_refused(table) {
                if table.open.is_none() && self.walk.goes_on_without_leader(pid) {
                    self.without_descriptors.push(pid);
                    continue;
                }
                self.examined.insert(pid);
                self.refused.insert(pid);
                continue;
            }
            let group = if uids.contains(&table.uid) { &mut same_user } else { &mut others };
            group.push(Candidate { pid, open: table.open });
        }
        for group in [same_user, others] {
            if self.remaining == 0 {
                break;
            }
            for pid in self.order(&group) {
                if self.remaining == 0 {
                    break;
                }
                self.examine(pid)?;
            }
        }
        self.examine_leaderless()
    }

    /// Reads the tables to their ends that were put aside.
    fn examine_cut(&mut self) -> Result<(), WalkError> {
        self.most = None;
        for pid in std::mem::take(&mut self.cut) {
            if self.remaining == 0 {
                break;
            }
            self.examined.remove(&pid);
            self.examine(pid)?;
        }
        Ok(())
    }

    /// Puts cheap and likely candidates first. Tables of a few descriptors cost little. The age of
    /// larger ones is estimated from samples, because sockets that a process made at about the
    /// same time have inode numbers close to each other. Processes with standard streams only come
    /// last. Sought sockets among the samples count as found.
    fn order(&mut self, group: &[Candidate]) -> Vec<u32> {
        let mut sought: Vec<u32> = self
            .sockets
            .iter()
            .filter(|(_, socket)| socket.sought)
            .map(|(&inode, _)| inode)
            .collect();
        sought.sort_unstable();
        let mut ordered: Vec<((u8, u64), u32)> = Vec::with_capacity(group.len());
        for &Candidate { pid, open } in group {
            let rank = match open {
                None => (0, 0),
                Some(open) if open <= STANDARD_STREAMS => (2, open),
                Some(open) if open <= SMALL => (0, open),
                Some(open) => {
                    let age = inode_age::estimate(self.walk, pid, open, &sought);
                    self.hits = age.found;
                    self.record(pid.into());
                    (1, age.cost)
                }
            };
            ordered.push((rank, pid));
        }
        ordered.sort_unstable();
        ordered.into_iter().map(|(_, pid)| pid).collect()
    }

    /// Reads parents, children and siblings of the holders of sought sockets, and of those that
    /// this finds.
    fn examine_relatives(&mut self) -> Result<(), WalkError> {
        if self.found.len() > MANY_HOLDERS {
            return self.everywhere();
        }
        let mut fruitless = 0;
        let mut next = 0;
        while let Some(&holder) = self.found.get(next) {
            next += 1;
            for relative in self.relatives(holder)? {
                if fruitless >= FRUITLESS_RELATIVES {
                    return Ok(());
                }
                let before = self.found.len();
                match self.walk.table(relative).and_then(|table| table.open) {
                    Some(open) if open >= LARGE => self.probe(holder, relative),
                    Some(0) if self.examined.insert(relative) => {
                        self.examine_other_threads(relative)?;
                    }
                    Some(0) => {}
                    _ => self.examine(relative)?,
                }
                fruitless += usize::from(self.found.len() == before);
            }
        }
        Ok(())
    }

    /// Reads the parent of a holder; returns its children, and its siblings if they may share the
    /// socket.
    fn relatives(&mut self, holder: u32) -> Result<Vec<u32>, WalkError> {
        let mut relatives = Vec::new();
        self.walk.children(holder, &mut relatives);
        let parent = self.processes.get(&holder).map(|process| process.facts.parent);
        if let Some(parent) = parent.filter(|&parent| parent > 0) {
            self.examine(parent)?;
            // A parent that shares the socket is a holder itself, so its children follow later.
            if !self.found.contains(&parent) && self.families.insert(parent) {
                let mut siblings = Vec::new();
                self.walk.children(parent, &mut siblings);
                if siblings.len() <= SIBLINGS {
                    relatives.append(&mut siblings);
                }
            }
        }
        relatives.retain(|relative| !self.examined.contains(relative));
        Ok(relatives)
    }

    /// Looks in a process for the sockets of `holder`, at the same descriptors only: `fork` keeps
    /// the numbers. Reading each of a dozen busy workers, because one has the connection that is
    /// sought, would cost as much as a full walk.
    fn probe(&mut self, holder: u32, relative: u32) {
        self.examined.insert(relative);
        self.hits.clear();
        for (&inode, socket) in self.sockets.iter().filter(|(_, socket)| socket.sought) {
            let descriptors = socket.holders.as_slice().iter().filter(|known| known.pid == holder);
            let shared = descriptors
                .map(|known| known.fd)
                .filter(|&fd| self.walk.socket_at(relative, fd) == Some(inode));
            self.hits.extend(shared.map(|fd| (fd, inode)));
        }
        self.record(relative.into());
    }

    /// Reads one process, once.
    fn examine(&mut self, pid: u32) -> Result<(), WalkError> {
        if !self.examined.insert(pid) {
            return Ok(());
        }
        let task = Task::from(pid);
        match self.read(task)? {
            Reading::Read { descriptors: 0 } => self.examine_other_threads(pid)?,
            Reading::Read { .. } => {
                self.effort.processes_read += 1;
                self.read_tables.push(task);
                self.read_known_threads(task)?;
            }
            Reading::Refused => match self.walk.table(pid).map(|table| table.open) {
                // A zombie belongs to root, but has nothing that could be refused.
                Some(Some(0)) => self.examine_other_threads(pid)?,
                Some(None) if self.walk.goes_on_without_leader(pid) => {
                    self.examine_other_threads(pid)?;
                }
                Some(_) => drop(self.refused.insert(pid)),
                None => {}
            },
            Reading::Gone => {}
        }
        Ok(())
    }

    /// Reads one descriptor table.
    fn read(&mut self, task: Task) -> Result<Reading, WalkError> {
        self.hits.clear();
        let (sockets, hits) = (&*self.sockets, &mut self.hits);
        let mut seen = 0;
        let mut found = FxHashSet::default();
        let few = self.stops_early && (1..=FEW).contains(&self.remaining);
        let most = self.most.unwrap_or(u64::MAX);
        let mut is_cut = false;
        let reading = self.walk.sockets(task, |fd, inode| {
            seen += 1;
            if let Some(socket) = sockets.get(&inode) {
                hits.push((fd, inode));
                if few && socket.sought && socket.holders.is_empty() {
                    found.insert(inode);
                }
            }
            // Small tables are read to the end: the same socket may be at another descriptor.
            is_cut = seen >= most;
            if is_cut || few && seen >= LARGE && found.len() == self.remaining {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        self.effort.sockets_seen += seen;
        if is_cut {
            self.cut.push(task.pid);
        }
        self.record(task);
        Ok(reading)
    }

    /// Stores what was found in one table.
    fn record(&mut self, task: Task) {
        if self.hits.is_empty() {
            return;
        }
        let Task { pid, tid } = task;
        let Some(facts) = self.identify(pid) else {
            return;
        };
        let (mut holds_sought, mut holds_more) = (false, false);
        for &(fd, inode) in &self.hits {
            let Some(socket) = self.sockets.get_mut(&inode) else {
                continue;
            };
            holds_sought |= socket.sought;
            if socket.sought && socket.holders.is_empty() {
                self.remaining -= 1;
            }
            holds_more |= socket.holders.add(Holder { pid, tid, fd, process: Arc::clone(&facts) });
        }
        if holds_sought && self.found.last() != Some(&pid) {
            self.found.push(pid);
        }
        // A table that may be another one but has nothing new is most likely the leader's.
        if let (true, Some(tid), Some(process)) = (holds_more, tid, self.processes.get_mut(&pid)) {
            process.add_thread(tid);
        }
    }

    /// What is known about a holder, read unless this poll already did.
    fn identify(&mut self, pid: u32) -> Option<Arc<ProcessFacts>> {
        let poll = self.poll;
        let verified = self.processes.get(&pid).is_some_and(|known| known.verified == poll);
        if !verified {
            let process = Process::read(self.walk, pid, poll)?;
            let known = self.processes.remove(&pid);
            self.processes.insert(pid, process.with_threads_of(known));
        }
        let process = self.processes.get_mut(&pid)?;
        process.useful = poll;
        Some(Arc::clone(&process.facts))
    }
}

impl Process {
    pub(super) fn read(walk: &mut ProcWalk, pid: u32, poll: u32) -> Option<Self> {
        let directory = walk.directory_inode(pid);
        let stat = walk.stat(pid)?;
        let facts = Arc::new(ProcessFacts::new(stat, walk.root().join(pid.to_string())));
        Some(Self { facts, directory, threads: Vec::new(), verified: poll, useful: poll })
    }

    /// Takes over what was known about the threads, if it is still the same process.
    pub(super) fn with_threads_of(mut self, known: Option<Self>) -> Self {
        let same = known.filter(|known| known.facts.start_time == self.facts.start_time);
        self.threads = same.map(|known| known.threads).unwrap_or_default();
        self
    }
}
