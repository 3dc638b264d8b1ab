//! One search of `/proc` for the holders of wanted sockets.
//!
//! Knows: in which order processes are worth reading, and when to stop.
//! Refuses to know: what was known before and what is kept for the next poll (`owners`).
//!
//! What things cost (Linux 6.18, 2 079 processes, 56 000 descriptors): listing `/proc` 1.0 µs per
//! process, `statx` of `/proc/PID/fd` 3.6 µs, one link read without opening the directory 3.8 µs,
//! opening, listing and closing a directory of three descriptors 10 µs, every link in it 3 µs.
//! So asking each process for its owner and size, and most of them for one link, is a small part
//! of reading them all.

use std::ops::ControlFlow;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::holders::{Holder, Holders, ProcessFacts};
use super::inode_age::{self, FEW, LARGE};
use super::proc_walk::{ProcWalk, Reading, WalkError};

/// Standard input, output and error: a process with no more than these seldom has a socket
/// among them, and idle processes by the thousand are like this.
const BARE: u64 = 3;

/// A table up to this size is read rather than sampled: the sample would cost a fifth as much.
const SMALL: u64 = 6;

/// Siblings of a holder are looked at up to this number when their parent does not hold the
/// socket itself; more are all the daemons of a host, not a family.
const FAMILY: usize = 32;

/// After so many relatives that held nothing, the rest is not looked at.
const FRUITLESS_RELATIVES: usize = 256;

/// With more holders than this, reading the rest of the processes costs less than asking each
/// holder for its family.
const MANY_HOLDERS: usize = 256;

/// What a search read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// Processes whose descriptors were read.
    pub processes_read: u64,
    /// Sockets among the descriptors that were read.
    pub sockets_seen: u64,
    /// Whether every process in sight was read.
    pub exhaustive: bool,
}

/// What is known about one wanted socket.
#[derive(Debug, Default)]
pub(super) struct Socket {
    /// The poll that last asked for it.
    pub(super) asked: u32,
    /// In which poll it was searched for in vain.
    pub(super) missed: Option<u32>,
    /// Whether something was hidden from that search.
    pub(super) hidden: bool,
    /// Whether this search is for it.
    pub(super) sought: bool,
    pub(super) holders: Holders,
}

/// A process that held a wanted socket.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) facts: Arc<ProcessFacts>,
    /// The inode number of its directory, an identity while it lasts.
    pub(super) directory: Option<u64>,
    /// The poll in which it was last known to be the same process.
    pub(super) verified: u32,
    /// The poll in which it last held a wanted socket.
    pub(super) useful: u32,
}

/// A process to read, with the size of its descriptor table.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    pid: u32,
    open: Option<u64>,
}

pub(super) struct OwnerSearch<'search> {
    pub(super) walk: &'search mut ProcWalk,
    pub(super) sockets: &'search mut FxHashMap<u32, Socket>,
    pub(super) processes: &'search mut FxHashMap<u32, Process>,
    pub(super) poll: u32,
    /// Sought sockets without a holder.
    pub(super) remaining: usize,
    pub(super) refused: u64,
    pub(super) effort: Effort,
    /// Whether one holder for each is enough.
    stops_early: bool,
    examined: FxHashSet<u32>,
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
        poll: u32,
    ) -> Self {
        let remaining = sockets.values().filter(|socket| socket.sought).count();
        Self {
            walk,
            sockets,
            processes,
            poll,
            remaining,
            refused: 0,
            effort: Effort::default(),
            stops_early: false,
            examined: FxHashSet::default(),
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
        Ok(())
    }

    /// Reads processes in the order of their promise until every sought socket has a holder:
    /// `likely` first, then all others; those owned by one of `uids` before the rest. Then the
    /// relatives of the holders, since forked processes share sockets.
    pub(super) fn likeliest_first(
        &mut self,
        likely: &[u32],
        uids: &FxHashSet<u32>,
    ) -> Result<(), WalkError> {
        self.stops_early = true;
        self.examine_ranked(likely, uids)?;
        if self.remaining > 0 {
            let mut pids = Vec::new();
            self.walk.list(&mut pids)?;
            self.examine_ranked(&pids, uids)?;
            self.effort.exhaustive = self.remaining > 0;
        }
        if !self.effort.exhaustive {
            self.examine_relatives()?;
        }
        Ok(())
    }

    fn examine_ranked(&mut self, pids: &[u32], uids: &FxHashSet<u32>) -> Result<(), WalkError> {
        let (mut same_user, mut others) = (Vec::new(), Vec::new());
        for &pid in pids {
            if self.examined.contains(&pid) {
                continue;
            }
            // Without a descriptor (a kernel thread, a zombie) there is nothing to read; and as
            // an unprivileged user nothing to be refused.
            let Some(table) = self.walk.table(pid).filter(|table| table.open != Some(0)) else {
                continue;
            };
            if self.walk.is_refused(table) {
                self.examined.insert(pid);
                self.refused += 1;
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
        Ok(())
    }

    /// Puts what is cheap or promising first. Tables of a few descriptors cost little; larger
    /// ones are dated by samples, because sockets that a process made at about the same time
    /// have inode numbers close to each other; bare ones come last. What a sample happens to
    /// meet counts as found.
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
                Some(open) if open <= BARE => (2, open),
                Some(open) if open <= SMALL => (0, open),
                Some(open) => {
                    let age = inode_age::estimate(self.walk, pid, open, &sought);
                    self.hits = age.met;
                    self.record(pid);
                    (1, age.price)
                }
            };
            ordered.push((rank, pid));
        }
        ordered.sort_unstable();
        ordered.into_iter().map(|(_, pid)| pid).collect()
    }

    /// Reads parents, children and siblings of the holders of sought sockets, as long as that
    /// finds more.
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
                    Some(0) => {}
                    _ => self.examine(relative)?,
                }
                fruitless += usize::from(self.found.len() == before);
            }
        }
        Ok(())
    }

    /// Reads the parent of a holder; returns its children, and its siblings if they may share.
    fn relatives(&mut self, holder: u32) -> Result<Vec<u32>, WalkError> {
        let mut relatives = Vec::new();
        self.walk.children(holder, &mut relatives);
        let parent = self.processes.get(&holder).map(|process| process.facts.parent);
        if let Some(parent) = parent.filter(|&parent| parent > 0) {
            self.examine(parent)?;
            // Of a parent that shares the socket, the children are looked at in its turn.
            if !self.found.contains(&parent) && self.families.insert(parent) {
                let mut siblings = Vec::new();
                self.walk.children(parent, &mut siblings);
                if siblings.len() <= FAMILY {
                    relatives.append(&mut siblings);
                }
            }
        }
        relatives.retain(|relative| !self.examined.contains(relative));
        Ok(relatives)
    }

    /// Looks in a process for what `holder` holds, at the same descriptors only: that is where
    /// `fork` leaves them. Reading each of a dozen busy workers, because one has the connection
    /// that is sought, would be a full walk after all.
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
        self.record(relative);
    }

    /// Reads one process, once.
    fn examine(&mut self, pid: u32) -> Result<(), WalkError> {
        if !self.examined.insert(pid) {
            return Ok(());
        }
        self.hits.clear();
        let (sockets, hits) = (&*self.sockets, &mut self.hits);
        let mut seen = 0;
        let mut met = FxHashSet::default();
        let few = self.stops_early && (1..=FEW).contains(&self.remaining);
        let reading = self.walk.sockets(pid, |fd, inode| {
            seen += 1;
            if let Some(socket) = sockets.get(&inode) {
                hits.push((fd, inode));
                if few && socket.sought && socket.holders.is_empty() {
                    met.insert(inode);
                }
            }
            // Small tables are read to the end: the same socket may be at another descriptor.
            if few && seen >= LARGE && met.len() == self.remaining {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        self.effort.sockets_seen += seen;
        self.effort.processes_read += u64::from(reading == Reading::Read);
        if reading == Reading::Refused
            && self.walk.table(pid).is_some_and(|table| table.open != Some(0))
        {
            self.refused += 1;
        }
        self.record(pid);
        Ok(())
    }

    /// Files what was found in one process.
    fn record(&mut self, pid: u32) {
        if self.hits.is_empty() {
            return;
        }
        let Some(facts) = self.identify(pid) else {
            return;
        };
        let mut holds_sought = false;
        for &(fd, inode) in &self.hits {
            let Some(socket) = self.sockets.get_mut(&inode) else {
                continue;
            };
            holds_sought |= socket.sought;
            if socket.sought && socket.holders.is_empty() {
                self.remaining -= 1;
            }
            socket.holders.add(Holder { pid, fd, process: Arc::clone(&facts) });
        }
        if holds_sought {
            self.found.push(pid);
        }
    }

    /// What is known about a holder, read unless this poll already made sure of it.
    fn identify(&mut self, pid: u32) -> Option<Arc<ProcessFacts>> {
        let poll = self.poll;
        if let Some(process) =
            self.processes.get_mut(&pid).filter(|process| process.verified == poll)
        {
            process.useful = poll;
            return Some(Arc::clone(&process.facts));
        }
        let process = Process::read(self.walk, pid, poll)?;
        let facts = Arc::clone(&process.facts);
        self.processes.insert(pid, process);
        Some(facts)
    }
}

impl Process {
    pub(super) fn read(walk: &mut ProcWalk, pid: u32, poll: u32) -> Option<Self> {
        let directory = walk.directory_inode(pid);
        let stat = walk.stat(pid)?;
        let facts = Arc::new(ProcessFacts::new(stat, walk.root().join(format!("{pid}/cgroup"))));
        Some(Self { facts, directory, verified: poll, useful: poll })
    }
}
