//! Raw reading of `/proc/PID`: the list of processes, their threads, descriptor links, `stat` and
//! children.
//!
//! Takes as few system calls as the kernel allows, and no heap allocation per descriptor: one
//! `readlinkat` into a stack buffer. (The procfs crate needs `openat`, `readlinkat`, `statat` and
//! `close`, and was 1.7 times slower per descriptor.) Which sockets are wanted, and the order of
//! reading, is the caller's business.

use std::fmt::Write as _;
use std::io::Read;
use std::mem::MaybeUninit;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, Stat as FileStatus};
use rustix::io::Errno;
use rustix::thread::CapabilitySet;

use crate::sys::share_descriptor_table;

/// What the directory buffer holds: enough for about 1 300 descriptors per `getdents64`.
const DIRECTORY_BUFFER: usize = 32 * 1024;

/// The longest link worth reading: `socket:[4294967295]` has 19 bytes. Longer targets are file
/// names; they are cut and ignored.
const LINK_BUFFER: usize = 40;

/// A thread whose descriptor table is meant.
///
/// `/proc/PID/fd` is the table of the leader of a process. Nearly always all threads share it, but
/// a thread may have one of its own (`unshare(CLONE_FILES)`), and a leader that has ended has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    /// The process.
    pub pid: u32,
    /// The thread; `None` for the leader.
    pub tid: Option<u32>,
}

impl Task {
    /// The id by which system calls know the thread.
    fn id(self) -> u32 {
        self.tid.unwrap_or(self.pid)
    }
}

impl From<u32> for Task {
    fn from(pid: u32) -> Self {
        Self { pid, tid: None }
    }
}

impl std::fmt::Display for Task {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.tid {
            None => write!(formatter, "{}", self.pid),
            Some(tid) => write!(formatter, "{}/task/{tid}", self.pid),
        }
    }
}

/// A failure that stops the walk because it is ours, not that of one process.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {source}", path.display())]
pub struct WalkError {
    /// What was tried: `open`, `list`, `read`.
    pub operation: &'static str,
    /// On which file.
    pub path: PathBuf,
    /// What the kernel said.
    pub source: std::io::Error,
}

/// How reading one descriptor table ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Every descriptor was read, or the visitor had seen enough.
    Read {
        /// How many were read; none for kernel threads and leaders that have ended.
        descriptors: u64,
    },
    /// The process or thread ended meanwhile.
    Gone,
    /// The kernel refused: `proc_fd_permission()` and `proc_fd_access_allowed()` (fs/proc) ask
    /// for ptrace read access.
    Refused,
}

/// What one `stat` of `/proc/PID/fd` says about a descriptor table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// The effective user; root for a process that is not dumpable (`task_dump_owner()`).
    pub uid: u32,
    /// The number of open descriptors, where the kernel reports it (6.2 and later).
    pub open: Option<u64>,
}

/// What `/proc/PID/stat` says about the identity of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// The thread name of its leader, as the process chose it: not to be trusted, not escaped.
    pub comm: String,
    /// Whether the leader has ended (a zombie). Other threads may go on.
    pub leader_ended: bool,
    /// Its parent.
    pub parent: u32,
    /// When it started, in clock ticks since boot: with the pid, an identity.
    pub start_time: u64,
}

/// One open `/proc`, with the buffers that reading it reuses.
#[derive(Debug)]
pub struct ProcWalk {
    root: PathBuf,
    proc: OwnedFd,
    counts_descriptors: bool,
    /// Whether kcmp works, and these pids are those of our own namespace.
    compares_tables: bool,
    /// The only user whose descriptors can be listed; `None` where all users' can.
    confined_to: Option<u32>,
    directory: Box<[MaybeUninit<u8>]>,
    text: Vec<u8>,
}

impl ProcWalk {
    /// Opens the procfs mounted at `root`, in general `/proc`.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(root: &Path) -> Result<Self, WalkError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let proc = rustix::fs::openat(CWD, root, flags, Mode::empty())
            .map_err(|errno| failure("open", root, errno))?;
        // Linux 6.2 made st_size of /proc/PID/fd the number of descriptors (f1f1f2569901); before
        // it was 0. We have at least one open ourselves, so 0 for ourselves means "not reported".
        let counts_descriptors =
            status(&proc, Name::new(format_args!("self/fd"))).is_ok_and(|own| own.st_size > 0);
        let me = std::process::id();
        let compares_tables =
            read_self(&proc) == Some(me) && share_descriptor_table(me, me) == Ok(true);
        Ok(Self {
            root: root.to_owned(),
            proc,
            counts_descriptors,
            compares_tables,
            confined_to: confined_to(),
            directory: vec![MaybeUninit::uninit(); DIRECTORY_BUFFER].into_boxed_slice(),
            text: Vec::with_capacity(1024),
        })
    }

    /// As on a kernel that neither compares tables nor, unless `counts`, counts descriptors.
    #[cfg(test)]
    pub fn without_comparison(&mut self, counts: bool) {
        self.compares_tables = false;
        self.counts_descriptors &= counts;
    }

    /// Where this procfs is mounted.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether listing the descriptors of such a process is refused for certain: only its owner may
    /// read the directory, and `generic_permission()` makes an exception for two capabilities that
    /// we do not have. Saves an unprivileged user the attempt.
    #[must_use]
    pub fn is_refused(&self, table: Table) -> bool {
        self.confined_to.is_some_and(|uid| uid != table.uid)
    }

    /// Appends every process to `pids`, in the kernel's order (by pid).
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub fn list(&mut self, pids: &mut Vec<u32>) -> Result<(), WalkError> {
        let directory =
            self.open_directory(".").map_err(|errno| failure("open", &self.root, errno))?;
        let mut entries = RawDir::new(directory, &mut self.directory);
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(|errno| failure("list", &self.root, errno))?;
            pids.extend(parse_number(entry.file_name().to_bytes()));
        }
        Ok(())
    }

    /// Who owns a descriptor table and how many descriptors are in it; `None` when the process or
    /// thread is gone. Needs no privilege: only listing and following the links does.
    #[must_use]
    pub fn table(&self, task: impl Into<Task>) -> Option<Table> {
        let task = task.into();
        let status = status(&self.proc, Name::new(format_args!("{task}/fd"))).ok()?;
        let open = self.counts_descriptors.then(|| u64::try_from(status.st_size).unwrap_or(0));
        Some(Table { uid: status.st_uid, open })
    }

    /// How many threads a process has, a leader that has ended included; `None` when it is gone.
    #[must_use]
    pub fn thread_count(&self, pid: u32) -> Option<u64> {
        let status = status(&self.proc, Name::new(format_args!("{pid}/task"))).ok()?;
        #[allow(
            clippy::unnecessary_cast,
            reason = "the field's type differs between architectures"
        )]
        let links = status.st_nlink as u64;
        // `proc_task_getattr()` (fs/proc/base.c) adds the number of threads to the 2 of a directory.
        links.checked_sub(2)
    }

    /// Whether the leader of a process has ended while other threads go on. The descriptors of the
    /// leader belong to root then, those of the threads still to their user (`task_dump_owner()` in
    /// fs/proc/base.c).
    pub fn goes_on_without_leader(&mut self, pid: u32) -> bool {
        self.thread_count(pid).is_some_and(|count| count > 1)
            && self.stat(pid).is_some_and(|stat| stat.leader_ended)
    }

    /// Whether two threads share one descriptor table, exactly; `None` when the kernel does not
    /// answer. Costs less than half of a `stat` of both tables.
    #[must_use]
    pub fn share_table(&self, one: Task, other: Task) -> Option<bool> {
        self.compares_tables.then(|| share_descriptor_table(one.id(), other.id()).ok()).flatten()
    }

    /// The inode number of `/proc/PID`. It belongs to the kernel's `struct pid`: while it stays the
    /// same, so does the process. A new number says nothing, as the dentry may just have been
    /// reclaimed. A tenth of the cost of reading `stat`.
    #[must_use]
    pub fn directory_inode(&self, pid: u32) -> Option<u64> {
        status(&self.proc, Name::new(format_args!("{pid}"))).ok().map(|status| status.st_ino)
    }

    /// The inode behind one descriptor, if it is a socket.
    #[must_use]
    pub fn socket_at(&self, task: impl Into<Task>, fd: u32) -> Option<u32> {
        let mut link = [0; LINK_BUFFER];
        let task = task.into();
        let name = Name::new(format_args!("{task}/fd/{fd}"));
        let length = rustix::fs::readlinkat_raw(&self.proc, name.bytes(), &mut link[..]).ok()?;
        parse_link(link.get(..length)?, b"socket:[")
    }

    /// The inode number behind one descriptor, if it is a socket or a pipe. Both are numbered by the
    /// same counter (`get_next_ino()`, fs/inode.c), so either shows the age of the descriptor.
    #[must_use]
    pub fn socket_or_pipe_at(&self, pid: u32, fd: u32) -> Option<u32> {
        let mut link = [0; LINK_BUFFER];
        let name = Name::new(format_args!("{pid}/fd/{fd}"));
        let length = rustix::fs::readlinkat_raw(&self.proc, name.bytes(), &mut link[..]).ok()?;
        let link = link.get(..length)?;
        parse_link(link, b"socket:[").or_else(|| parse_link(link, b"pipe:["))
    }

    /// Passes every socket in a descriptor table to `visit` as `(fd, inode)`, until it breaks.
    ///
    /// # Errors
    /// When the failure is ours rather than the process's (out of descriptors or memory): a table
    /// that was not read must not count as empty.
    pub fn sockets(
        &mut self,
        task: impl Into<Task>,
        mut visit: impl FnMut(u32, u32) -> ControlFlow<()>,
    ) -> Result<Reading, WalkError> {
        let task = task.into();
        let name = Name::new(format_args!("{task}/fd"));
        let directory = match self.open_directory(name.bytes()) {
            Ok(directory) => directory,
            Err(errno) => return self.classify(errno, task),
        };
        let mut link = [0; LINK_BUFFER];
        let mut refused = false;
        let mut descriptors = 0;
        let mut entries = RawDir::new(&directory, &mut self.directory);
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(errno) => return self.classify(errno, task),
            };
            // "." and ".." are no numbers.
            let Some(fd) = parse_number(entry.file_name().to_bytes()) else {
                continue;
            };
            descriptors += 1;
            match rustix::fs::readlinkat_raw(&directory, entry.file_name(), &mut link[..]) {
                Ok(length) => {
                    let inode = link.get(..length).and_then(|link| parse_link(link, b"socket:["));
                    if inode.is_some_and(|inode| visit(fd, inode).is_break()) {
                        return Ok(Reading::Read { descriptors });
                    }
                }
                // A process that gained privilege (execve of a set-user-ID file) meanwhile.
                Err(Errno::ACCESS | Errno::PERM) => refused = true,
                // Closed between the listing and now.
                Err(_) => {}
            }
        }
        Ok(if refused { Reading::Refused } else { Reading::Read { descriptors } })
    }

    /// Reads `/proc/PID/stat`; `None` when the process is gone.
    pub fn stat(&mut self, pid: u32) -> Option<Stat> {
        self.read(Name::new(format_args!("{pid}/stat")).bytes()).ok()?;
        parse_stat(&self.text)
    }

    /// Appends every thread of a process to `threads`, by id; nothing when it is gone.
    pub fn threads(&mut self, pid: u32, threads: &mut Vec<u32>) {
        let Ok(directory) = self.open_directory(Name::new(format_args!("{pid}/task")).bytes())
        else {
            return;
        };
        let mut entries = RawDir::new(directory, &mut self.directory);
        while let Some(Ok(entry)) = entries.next() {
            threads.extend(parse_number(entry.file_name().to_bytes()));
        }
    }

    /// Appends the children of every thread of a process to `children`; nothing where the kernel
    /// has no `children` file (`CONFIG_PROC_CHILDREN`).
    pub fn children(&mut self, pid: u32, children: &mut Vec<u32>) {
        let mut threads = Vec::new();
        self.threads(pid, &mut threads);
        for thread in threads {
            if self.read(Name::new(format_args!("{pid}/task/{thread}/children")).bytes()).is_ok() {
                children.extend(self.text.split(u8::is_ascii_whitespace).filter_map(parse_number));
            }
        }
    }

    /// Which network namespace a process is in, by inode number.
    ///
    /// # Errors
    /// `EACCES` without ptrace read access (`proc_ns_readlink()`), `ENOENT` when it is gone.
    pub fn network_namespace(&self, pid: u32) -> Result<Option<u64>, Errno> {
        let mut link = [0; LINK_BUFFER];
        let name = Name::new(format_args!("{pid}/ns/net"));
        let length = rustix::fs::readlinkat_raw(&self.proc, name.bytes(), &mut link[..])?;
        Ok(link.get(..length).and_then(|link| parse_link(link, b"net:[")).map(u64::from))
    }

    fn open_directory<P: rustix::path::Arg>(&self, name: P) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(&self.proc, name, flags, Mode::empty())
    }

    fn read(&mut self, name: &[u8]) -> std::io::Result<()> {
        let fd =
            rustix::fs::openat(&self.proc, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
        self.text.clear();
        std::fs::File::from(fd).read_to_end(&mut self.text)?;
        Ok(())
    }

    /// Separates the end or refusal of one process from failures of our own.
    fn classify(&self, errno: Errno, task: Task) -> Result<Reading, WalkError> {
        match errno {
            Errno::NOENT | Errno::SRCH => Ok(Reading::Gone),
            Errno::ACCESS | Errno::PERM => Ok(Reading::Refused),
            _ => Err(failure("read", &self.root.join(format!("{task}/fd")), errno)),
        }
    }
}

/// A file name made without the heap; the longest is `4294967295/task/4294967295/fd/4294967295`.
struct Name {
    bytes: [u8; 64],
    length: usize,
}

impl Name {
    fn new(text: std::fmt::Arguments<'_>) -> Self {
        let mut name = Self { bytes: [0; 64], length: 0 };
        // Cannot fail: nothing above is longer than the buffer. If it did, no file would have the
        // cut name, and the process would count as gone.
        let _ = name.write_fmt(text);
        name
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl std::fmt::Write for Name {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        self.bytes
            .get_mut(self.length..end)
            .ok_or(std::fmt::Error)?
            .copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// Our own pid as this procfs shows it: another one where it belongs to another pid namespace.
fn read_self(proc: &OwnedFd) -> Option<u32> {
    let mut link = [0; LINK_BUFFER];
    let length = rustix::fs::readlinkat_raw(proc, "self", &mut link[..]).ok()?;
    parse_number(link.get(..length)?)
}

/// What the kernel says about a file below `/proc`. Not by statx(2), which came with Linux 4.11: its
/// absence would make every process look gone.
fn status(proc: &OwnedFd, name: Name) -> Result<FileStatus, Errno> {
    rustix::fs::statat(proc, name.bytes(), AtFlags::empty())
}

fn confined_to() -> Option<u32> {
    let pass = CapabilitySet::DAC_READ_SEARCH | CapabilitySet::DAC_OVERRIDE;
    let sets = rustix::thread::capabilities(None).ok()?;
    (!sets.effective.intersects(pass)).then(|| rustix::process::geteuid().as_raw())
}

fn failure(operation: &'static str, path: &Path, errno: Errno) -> WalkError {
    WalkError { operation, path: path.to_owned(), source: errno.into() }
}

fn parse_number(text: &[u8]) -> Option<u32> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u32, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u32::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// The number in `kind:[number]`. Socket inodes come from `get_next_ino()`, which counts in 32
/// bits, as does `idiag_inode`; namespaces have small numbers.
fn parse_link(link: &[u8], kind: &[u8]) -> Option<u32> {
    parse_number(link.strip_prefix(kind)?.strip_suffix(b"]")?)
}

/// The name is the process's own choice and may hold parentheses, blanks and newlines: it ends
/// at the *last* parenthesis (proc(5)).
fn parse_stat(text: &[u8]) -> Option<Stat> {
    let open = text.iter().position(|&byte| byte == b'(')?;
    let close = text.iter().rposition(|&byte| byte == b')')?;
    let comm = String::from_utf8_lossy(text.get(open + 1..close)?).into_owned();
    let rest = std::str::from_utf8(text.get(close + 1..)?).ok()?;
    // After the name: state (3), ppid (4), … starttime (22).
    let mut fields = rest.split_ascii_whitespace();
    let leader_ended = matches!(fields.next()?, "Z" | "X");
    let parent = fields.next()?.parse().ok()?;
    let start_time = fields.nth(17)?.parse().ok()?;
    Some(Stat { comm, leader_ended, parent, start_time })
}

#[cfg(test)]
#[path = "proc_walk_tests.rs"]
mod tests;
