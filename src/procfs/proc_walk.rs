//! Raw reading of `/proc/PID`: the list of processes, their descriptor links, `stat`, children.
//!
//! Knows: how to read those with as few system calls as the kernel allows, and without a heap
//! allocation per descriptor (one `readlinkat` into a stack buffer; the procfs crate needs
//! `openat`, `readlinkat`, `statat` and `close`, and was 1.7 times slower per descriptor).
//! Refuses to know: which sockets are wanted and in which order processes are worth reading.

use std::fmt::Write as _;
use std::io::Read;
use std::mem::MaybeUninit;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, StatxFlags};
use rustix::io::Errno;
use rustix::thread::CapabilitySet;

/// What the directory buffer holds: enough for about 1 300 descriptors per `getdents64`.
const DIRECTORY_BUFFER: usize = 32 * 1024;

/// The longest link worth reading: `socket:[4294967295]` has 19 bytes. Longer targets are file
/// names, which come back cut and are not looked at.
const LINK_BUFFER: usize = 40;

/// A failure that stops a walk: not one process's, but ours.
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

/// How reading the descriptors of one process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Every descriptor was read, or the visitor had seen enough.
    Read,
    /// The process ended meanwhile.
    Gone,
    /// The kernel refused: `proc_fd_permission()` and `proc_fd_access_allowed()` (fs/proc) ask
    /// for ptrace read access.
    Refused,
}

/// What one `statx` of `/proc/PID/fd` tells about a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    /// Its effective user; root for one that is not dumpable (`task_dump_owner()`).
    pub uid: u32,
    /// Its number of open descriptors, where the kernel says so (6.2 and later).
    pub open: Option<u64>,
}

/// The part of `/proc/PID/stat` that identifies a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// The thread name of its leader, as the process chose it: not to be trusted, not escaped.
    pub comm: String,
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
    /// The only user whose descriptors can be listed, unless it can be any.
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
        // it was 0. We have at least one open ourselves, so 0 for ourselves means "does not say".
        let counts_descriptors =
            rustix::fs::statx(&proc, "self/fd", AtFlags::empty(), StatxFlags::SIZE)
                .is_ok_and(|own| own.stx_size > 0);
        Ok(Self {
            root: root.to_owned(),
            proc,
            counts_descriptors,
            confined_to: confined_to(),
            directory: vec![MaybeUninit::uninit(); DIRECTORY_BUFFER].into_boxed_slice(),
            text: Vec::with_capacity(1024),
        })
    }

    /// Where this procfs is mounted.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether listing the descriptors of such a process is refused for certain: the directory is
    /// readable by its owner only, and `generic_permission()` makes an exception for two
    /// capabilities that we do not have. Saves an unprivileged user the attempt.
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

    /// Who owns a process and how many descriptors it has; `None` when it is gone. Needs no
    /// privilege: only listing and following the links does.
    #[must_use]
    pub fn table(&self, pid: u32) -> Option<Table> {
        let mask = StatxFlags::UID | StatxFlags::SIZE;
        let stat = rustix::fs::statx(
            &self.proc,
            Name::new(format_args!("{pid}/fd")).bytes(),
            AtFlags::empty(),
            mask,
        )
        .ok()?;
        Some(Table { uid: stat.stx_uid, open: self.counts_descriptors.then_some(stat.stx_size) })
    }

    /// The inode number of `/proc/PID`. It belongs to the kernel's `struct pid`, so as long as
    /// it stays the same so does the process; when it changes nothing is known (the dentry may
    /// only have been reclaimed). A tenth of the price of reading `stat`.
    #[must_use]
    pub fn directory_inode(&self, pid: u32) -> Option<u64> {
        rustix::fs::statx(
            &self.proc,
            Name::new(format_args!("{pid}")).bytes(),
            AtFlags::empty(),
            StatxFlags::INO,
        )
        .ok()
        .map(|stat| stat.stx_ino)
    }

    /// The inode behind one descriptor, if it is a socket.
    #[must_use]
    pub fn socket_at(&self, pid: u32, fd: u32) -> Option<u32> {
        let mut link = [0; LINK_BUFFER];
        let name = Name::new(format_args!("{pid}/fd/{fd}"));
        let length = rustix::fs::readlinkat_raw(&self.proc, name.bytes(), &mut link[..]).ok()?;
        parse_link(link.get(..length)?, b"socket:[")
    }

    /// The inode number of a socket or pipe behind one descriptor. Both come from the same
    /// counter (`get_next_ino()`, fs/inode.c), so either dates the descriptor.
    #[must_use]
    pub fn dated_at(&self, pid: u32, fd: u32) -> Option<u32> {
        let mut link = [0; LINK_BUFFER];
        let name = Name::new(format_args!("{pid}/fd/{fd}"));
        let length = rustix::fs::readlinkat_raw(&self.proc, name.bytes(), &mut link[..]).ok()?;
        let link = link.get(..length)?;
        parse_link(link, b"socket:[").or_else(|| parse_link(link, b"pipe:["))
    }

    /// Shows every socket of a process to `visit` as `(fd, inode)`, until it breaks.
    ///
    /// # Errors
    /// When the failure is ours rather than the process's (out of descriptors or memory): what
    /// was not read must not pass for "holds nothing".
    pub fn sockets(
        &mut self,
        pid: u32,
        mut visit: impl FnMut(u32, u32) -> ControlFlow<()>,
    ) -> Result<Reading, WalkError> {
        let name = Name::new(format_args!("{pid}/fd"));
        let directory = match self.open_directory(name.bytes()) {
            Ok(directory) => directory,
            Err(errno) => return self.judge(errno, pid),
        };
        let mut link = [0; LINK_BUFFER];
        let mut refused = false;
        let mut entries = RawDir::new(&directory, &mut self.directory);
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(errno) => return self.judge(errno, pid),
            };
            // "." and ".." are no numbers.
            let Some(fd) = parse_number(entry.file_name().to_bytes()) else {
                continue;
            };
            match rustix::fs::readlinkat_raw(&directory, entry.file_name(), &mut link[..]) {
                Ok(length) => {
                    let inode = link.get(..length).and_then(|link| parse_link(link, b"socket:["));
                    if inode.is_some_and(|inode| visit(fd, inode).is_break()) {
                        return Ok(Reading::Read);
                    }
                }
                // A process that gains privilege (execve of a set-user-ID file) while being read.
                Err(Errno::ACCESS | Errno::PERM) => refused = true,
                // Closed between the listing and now.
                Err(_) => {}
            }
        }
        Ok(if refused { Reading::Refused } else { Reading::Read })
    }

    /// Reads `/proc/PID/stat`; `None` when the process is gone.
    pub fn stat(&mut self, pid: u32) -> Option<Stat> {
        self.read(Name::new(format_args!("{pid}/stat")).bytes()).ok()?;
        parse_stat(&self.text)
    }

    /// Appends the children of every thread of a process to `children`; nothing where the kernel
    /// has no `children` file (`CONFIG_PROC_CHILDREN`).
    pub fn children(&mut self, pid: u32, children: &mut Vec<u32>) {
        let Ok(directory) = self.open_directory(Name::new(format_args!("{pid}/task")).bytes())
        else {
            return;
        };
        let mut threads = Vec::new();
        let mut entries = RawDir::new(directory, &mut self.directory);
        while let Some(Ok(entry)) = entries.next() {
            threads.extend(parse_number(entry.file_name().to_bytes()));
        }
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

    fn judge(&self, errno: Errno, pid: u32) -> Result<Reading, WalkError> {
        match errno {
            Errno::NOENT | Errno::SRCH => Ok(Reading::Gone),
            Errno::ACCESS | Errno::PERM => Ok(Reading::Refused),
            _ => Err(failure("read", &self.root.join(format!("{pid}/fd")), errno)),
        }
    }
}

/// A file name made without the heap; the longest is `4294967295/task/4294967295/children`.
struct Name {
    bytes: [u8; 64],
    length: usize,
}

impl Name {
    fn new(text: std::fmt::Arguments<'_>) -> Self {
        let mut name = Self { bytes: [0; 64], length: 0 };
        // Cannot fail: nothing above is longer than the buffer. If it did, the cut name would
        // not exist, which reads as a process that is gone.
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
    let parent = fields.nth(1)?.parse().ok()?;
    let start_time = fields.nth(17)?.parse().ok()?;
    Some(Stat { comm, parent, start_time })
}

#[cfg(test)]
#[path = "proc_walk_tests.rs"]
mod tests;
