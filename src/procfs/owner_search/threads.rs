//! Descriptor tables that `/proc/PID/fd` does not show.
//!
//! That directory is the table of a process's leader. Other threads have another one after
//! `unshare(CLONE_FILES)`, and a leader that has ended (`pthread_exit` in `main`) has none while
//! its threads go on with the one that was shared.

use super::{OwnerSearch, Process};
use crate::procfs::proc_walk::{Reading, Task, WalkError};

/// How much of other threads' tables one search reads.
#[derive(Debug, Clone, Copy)]
pub(in crate::procfs) struct ThreadBudget {
    /// Threads to compare with the leader of their process. Of 8 000 threads (Linux 6.18) each cost
    /// 2 to 4 µs with kcmp, 4 to 8 µs by the size of the tables, listing included.
    pub(in crate::procfs) threads: u64,
    /// Descriptors to read in tables that differ, or may differ: 3 µs each.
    pub(in crate::procfs) descriptors: u64,
}

impl Default for ThreadBudget {
    /// At most 40 ms for comparing (70 ms by size) and 0.2 s for reading tables that differ, which
    /// are rare.
    fn default() -> Self {
        Self { threads: 8_192, descriptors: 65_536 }
    }
}

/// How long the result of comparing the threads of a process is used, in polls. Hosts where
/// connections close between dump and search have sockets without holder at every poll; without
/// this each poll would compare all threads again. A thread that gets its own table meanwhile,
/// while the number of threads stays the same, is found when its sockets are searched for again.
const COMPARED_FOR: u32 = 30;

/// That all threads of a process shared one table.
#[derive(Debug, Clone, Copy)]
pub(in crate::procfs) struct Compared {
    /// How many there were.
    threads: u64,
    /// In which poll.
    poll: u32,
}

impl OwnerSearch<'_> {
    /// Reads the processes whose leader has no descriptors, as far as they have other threads.
    pub(super) fn examine_leaderless(&mut self) -> Result<(), WalkError> {
        for pid in std::mem::take(&mut self.without_descriptors) {
            if self.remaining == 0 {
                break;
            }
            if self.examined.insert(pid) {
                self.examine_other_threads(pid)?;
            }
        }
        Ok(())
    }

    /// Reads one table of a process whose leader has none, and those that are known. Kernel threads
    /// and zombies have a single thread.
    pub(super) fn examine_other_threads(&mut self, pid: u32) -> Result<(), WalkError> {
        if self.walk.thread_count(pid).is_none_or(|count| count < 2) {
            return Ok(());
        }
        let mut threads = Vec::new();
        self.walk.threads(pid, &mut threads);
        for tid in threads.into_iter().filter(|&tid| tid != pid) {
            let task = Task { pid, tid: Some(tid) };
            match self.read(task)? {
                Reading::Read { descriptors: 1.. } => {
                    self.effort.processes_read += 1;
                    self.read_tables.push(task);
                    return self.read_known_threads(task);
                }
                Reading::Refused => {
                    self.refused.insert(pid);
                    return Ok(());
                }
                Reading::Read { descriptors: 0 } | Reading::Gone => {}
            }
        }
        Ok(())
    }

    /// Reads the threads of a process that were found to have tables of their own before;
    /// `read` is one that was read already.
    pub(super) fn read_known_threads(&mut self, read: Task) -> Result<(), WalkError> {
        let pid = read.pid;
        let Some(process) = self.processes.get(&pid).filter(|known| !known.threads.is_empty())
        else {
            return Ok(());
        };
        let mut gone = Vec::new();
        for tid in process.threads.clone().into_iter().filter(|&tid| read.tid != Some(tid)) {
            if self.read(Task { pid, tid: Some(tid) })? == Reading::Gone {
                gone.push(tid);
            }
        }
        if let Some(process) = self.processes.get_mut(&pid) {
            process.threads.retain(|tid| !gone.contains(tid));
        }
        Ok(())
    }

    /// Looks for tables other than those that were read, and reads them: the last resort for
    /// sockets that no process was found to hold.
    pub(super) fn examine_threads(&mut self) -> Result<(), WalkError> {
        let poll = self.poll;
        self.compared.retain(|_, known| poll.wrapping_sub(known.poll) < COMPARED_FOR);
        for read in std::mem::take(&mut self.read_tables) {
            if self.remaining == 0 {
                break;
            }
            let Some(threads) = self.walk.thread_count(read.pid).filter(|&count| count > 1) else {
                continue;
            };
            if self.compared.get(&read.pid).is_some_and(|known| known.threads == threads) {
                continue;
            }
            if self.budget.threads == 0 {
                self.threads_unread += threads - 1;
                continue;
            }
            if self.compare_threads(read)? {
                self.compared.insert(read.pid, Compared { threads, poll });
            }
        }
        Ok(())
    }

    /// Reads the tables of a process that differ from the one that was read; returns whether all
    /// threads were compared and none is known to differ.
    fn compare_threads(&mut self, read: Task) -> Result<bool, WalkError> {
        let pid = read.pid;
        let mut threads = Vec::new();
        self.walk.threads(pid, &mut threads);
        let mut previous = read;
        let mut all_shared = true;
        // Where the leader is not the one that was read, it has no table.
        for tid in threads.into_iter().filter(|&tid| tid != pid && read.tid != Some(tid)) {
            if self.remaining == 0 {
                return Ok(false);
            }
            if self.budget.threads == 0 {
                self.threads_unread += 1;
                all_shared = false;
                continue;
            }
            self.budget.threads -= 1;
            self.effort.threads_compared += 1;
            let task = Task { pid, tid: Some(tid) };
            match self.shares_table(read, task) {
                Some(true) => continue,
                Some(false) => all_shared = false,
                None => {}
            }
            // Threads that a thread with its own table has started share that one.
            if self.walk.share_table(previous, task) == Some(true) {
                continue;
            }
            if self.budget.descriptors == 0 {
                self.threads_unread += 1;
                all_shared = false;
                continue;
            }
            if let Reading::Read { descriptors } = self.read(task)? {
                self.budget.descriptors = self.budget.descriptors.saturating_sub(descriptors);
                previous = task;
            }
        }
        Ok(all_shared)
    }

    /// Whether two threads share a table. Where the kernel does not compare them, equal numbers of
    /// descriptors count as the same table; where it does not count either (before 6.2), nothing
    /// is known.
    fn shares_table(&self, read: Task, task: Task) -> Option<bool> {
        self.walk.share_table(read, task).or_else(|| {
            let open = |task| self.walk.table(task)?.open;
            Some(open(read)? == open(task)?)
        })
    }
}

impl Process {
    /// Remembers a thread with a table of its own.
    pub(super) fn add_thread(&mut self, tid: u32) {
        if !self.threads.contains(&tid) {
            self.threads.push(tid);
        }
    }
}
