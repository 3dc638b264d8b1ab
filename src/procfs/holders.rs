//! Who holds a socket: processes with their names and cgroups, and the descriptors they hold.
//!
//! How they are found is not known here.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use ::procfs::{FromRead as _, ProcessCGroup, ProcessCGroups};

use super::proc_walk::{Stat, Task};

/// Thread names that runtimes give to the leader of a process, where they replace the name of the
/// program: Node.js 24 (nodejs/node#56416), its later releases (nodejs/node#61307), and PyTorch
/// (pytorch/pytorch#133690).
const THREAD_NAMES: [&str; 3] = ["MainThread", "node-MainThread", "pt_main_thread"];

/// Bytes of a program's name that are kept; a file name may have 255.
const LONGEST_NAME: usize = 64;

/// Bytes of the command line that are read. The first argument may be a long path.
const COMMAND_LINE: u64 = 4096;

/// Threads that are read in place of a leader that has ended: any will do, but some may be ending
/// too.
const THREADS_READ: usize = 4;

/// What is known about a process that holds a socket.
#[derive(Debug)]
pub struct ProcessFacts {
    /// The thread name of the process's leader, as it chose it (15 bytes at most, lossy UTF-8):
    /// not to be trusted, and not escaped. [`ProcessFacts::program`] is the name to show.
    pub comm: String,
    /// Its parent's pid.
    pub parent: u32,
    /// When it started, in clock ticks since boot. With the pid this identifies it.
    pub start_time: u64,
    /// `/proc/PID`.
    directory: PathBuf,
    pub(super) leader_ended: bool,
    cgroup: OnceLock<Option<String>>,
    program: OnceLock<Option<String>>,
}

impl ProcessFacts {
    pub(super) fn new(stat: Stat, directory: PathBuf) -> Self {
        let Stat { comm, leader_ended, parent, start_time } = stat;
        Self {
            comm,
            parent,
            start_time,
            directory,
            leader_ended,
            cgroup: OnceLock::new(),
            program: OnceLock::new(),
        }
    }

    /// The name of the program, by which a service is called: `comm`, but the file name of the
    /// executable where `comm` is a generic thread name (`MainThread`). Where the executable may
    /// not be read, that of the first argument; where that may not be read either, `comm` stays.
    /// Read when first asked for; not to be trusted, and not escaped.
    pub fn program(&self) -> &str {
        if !is_thread_name(&self.comm) {
            return &self.comm;
        }
        let program = self
            .program
            .get_or_init(|| self.read(|task| executable(task).or_else(|| first_argument(task))));
        program.as_deref().unwrap_or(&self.comm)
    }

    /// The cgroup that the *process* is in (its sockets stay in the one they were made in). Read
    /// when first asked for; `None` when the process was gone by then, or is in no hierarchy that
    /// names services.
    pub fn cgroup(&self) -> Option<&str> {
        let read = |task: &Path| {
            let groups = ProcessCGroups::from_file(task.join("cgroup")).ok()?;
            service_path(groups.0)
        };
        self.cgroup.get_or_init(|| self.read(read)).as_deref()
    }

    /// Reads something of the process: of its leader, or of another thread where the leader has
    /// ended. Then it has no executable any more, and version 1 hierarchies show it in their root
    /// (`proc_cgroup_show()`).
    fn read<T>(&self, read: impl Fn(&Path) -> Option<T>) -> Option<T> {
        let by_leader = (!self.leader_ended).then(|| read(&self.directory)).flatten();
        by_leader.or_else(|| {
            let leader = self.directory.file_name();
            let threads = std::fs::read_dir(self.directory.join("task")).ok()?.flatten();
            let others = threads.filter(|thread| Some(&*thread.file_name()) != leader);
            others.take(THREADS_READ).find_map(|thread| read(&thread.path()))
        })
    }
}

/// Whether a name says nothing about the program. Before Linux 6.14 a program that was executed by
/// descriptor (`fexecve`) is called like the number of the descriptor.
fn is_thread_name(comm: &str) -> bool {
    THREAD_NAMES.contains(&comm)
        || (!comm.is_empty() && comm.bytes().all(|byte| byte.is_ascii_digit()))
}

fn executable(task: &Path) -> Option<String> {
    let path = std::fs::read_link(task.join("exe")).ok()?;
    let path = path.to_string_lossy();
    // The kernel's mark of a file that was removed or replaced since (`d_path()`).
    file_name(path.strip_suffix(" (deleted)").unwrap_or(&path))
}

fn first_argument(task: &Path) -> Option<String> {
    let mut text = Vec::new();
    let file = std::fs::File::open(task.join("cmdline")).ok()?;
    file.take(COMMAND_LINE).read_to_end(&mut text).ok()?;
    file_name(&String::from_utf8_lossy(text.split(|&byte| byte == 0).next()?))
}

/// The last component of a path, cut to [`LONGEST_NAME`].
fn file_name(path: &str) -> Option<String> {
    let name = path.rsplit('/').find(|name| !name.is_empty())?;
    let longest = name.len().min(LONGEST_NAME);
    (0..=longest).rev().find_map(|end| name.get(..end)).map(str::to_owned)
}

/// The path in the hierarchy that groups processes by service: version 2's, unless everything is
/// in its root, as on hosts where systemd uses its own version 1 hierarchy for that.
fn service_path(groups: Vec<ProcessCGroup>) -> Option<String> {
    let (mut unified, mut systemd) = (None, None);
    for group in groups {
        if group.hierarchy == 0 {
            unified = Some(group.pathname);
        } else if group.controllers.iter().any(|name| name == "name=systemd") {
            systemd = Some(group.pathname);
        }
    }
    let below_root = |path: &String| path != "/";
    unified.clone().filter(below_root).or(systemd.filter(below_root)).or(unified)
}

/// One descriptor by which a process holds a socket.
#[derive(Debug, Clone)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// The thread whose table has the descriptor; `None` where `/proc/PID/fd` shows it.
    pub tid: Option<u32>,
    /// Its descriptor.
    pub fd: u32,
    /// What is known about it; shared by all its sockets.
    pub process: Arc<ProcessFacts>,
}

impl Holder {
    /// One of a process that does not exist, with the longest name.
    #[cfg(test)]
    pub(crate) fn example(pid: u32, fd: u32) -> Self {
        let comm = "\u{1}".repeat(15);
        let stat = Stat { comm, leader_ended: false, parent: 1, start_time: 1 };
        let process = Arc::new(ProcessFacts::new(stat, PathBuf::from("/nonexistent")));
        Self { pid, tid: None, fd, process }
    }

    /// Where its descriptor is.
    pub(super) fn task(&self) -> Task {
        Task { pid: self.pid, tid: self.tid }
    }
}

/// The holders of one socket. Nearly always one: then without an allocation of its own.
#[derive(Debug, Default)]
pub(super) enum Holders {
    #[default]
    Empty,
    One([Holder; 1]),
    Several(Vec<Holder>),
}

impl Holders {
    pub(super) fn as_slice(&self) -> &[Holder] {
        match self {
            Self::Empty => &[],
            Self::One(holder) => holder,
            Self::Several(holders) => holders,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// Adds a holder; returns whether it is a new one.
    pub(super) fn add(&mut self, holder: Holder) -> bool {
        let known =
            self.as_slice().iter().any(|known| (known.pid, known.fd) == (holder.pid, holder.fd));
        if known {
            return false;
        }
        *self = match std::mem::take(self) {
            Self::Empty => Self::One([holder]),
            Self::One([first]) => Self::Several(vec![first, holder]),
            Self::Several(mut holders) => {
                holders.push(holder);
                Self::Several(holders)
            }
        };
        true
    }

    /// Keeps the holders that `keep` accepts; it may renew what is known about them.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&mut Holder) -> bool) {
        *self = match std::mem::take(self) {
            Self::Empty => Self::Empty,
            Self::One([mut holder]) => {
                if keep(&mut holder) {
                    Self::One([holder])
                } else {
                    Self::Empty
                }
            }
            Self::Several(mut holders) => {
                holders.retain_mut(keep);
                Self::Several(holders)
            }
        };
    }

    /// Orders them by pid and descriptor, so that output does not depend on the search.
    pub(super) fn sort(&mut self) {
        if let Self::Several(holders) = self {
            holders.sort_unstable_by_key(|holder| (holder.pid, holder.fd));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(text: &str) -> Option<String> {
        service_path(ProcessCGroups::from_read(text.as_bytes()).unwrap().0)
    }

    #[test]
    fn the_hierarchy_that_names_services() {
        for (text, expected) in [
            ("0::/system.slice/a.service\n", Some("/system.slice/a.service")),
            (
                "9:name=systemd:/system.slice/a.service\n1:cpu:/x\n0::/\n",
                Some("/system.slice/a.service"),
            ),
            (
                "9:name=systemd:/old.service\n0::/system.slice/a.service\n",
                Some("/system.slice/a.service"),
            ),
            ("9:name=systemd:/\n4:memory:/deep/er\n0::/\n", Some("/")),
            ("4:memory:/deep/er\n", None),
            ("1:name=systemd:/lxc/a:b\n", Some("/lxc/a:b")),
            ("", None),
        ] {
            assert_eq!(path_of(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn holders_are_a_sorted_set() {
        let process = Arc::new(named("x", Path::new("")));
        let mut holders = Holders::default();
        for (pid, fd) in [(9, 1), (9, 1), (3, 4), (3, 2)] {
            holders.add(Holder { pid, tid: None, fd, process: Arc::clone(&process) });
        }
        holders.sort();
        let pairs: Vec<_> =
            holders.as_slice().iter().map(|holder| (holder.pid, holder.fd)).collect();
        assert_eq!(pairs, [(3, 2), (3, 4), (9, 1)]);
        holders.retain(|holder| holder.pid == 9);
        assert_eq!(holders.as_slice().len(), 1);
        holders.retain(|_| false);
        assert!(holders.is_empty());
    }

    fn named(comm: &str, directory: &Path) -> ProcessFacts {
        let stat = Stat { comm: comm.to_owned(), leader_ended: false, parent: 1, start_time: 2 };
        ProcessFacts::new(stat, directory.to_owned())
    }

    #[test]
    fn a_thread_name_gives_way_to_the_executable() {
        let directory = tempfile::tempdir().unwrap();
        let exe = directory.path().join("exe");
        for (comm, target, expected) in [
            ("nginx", "/usr/bin/other", "nginx"),
            ("mainthread", "/usr/bin/other", "mainthread"),
            ("worker-7", "/usr/bin/other", "worker-7"),
            ("MainThread", "/usr/bin/node", "node"),
            ("node-MainThread", "/opt/node 24/bin/node24 (deleted)", "node24"),
            ("pt_main_thread", "/usr/bin/python3.12", "python3.12"),
            ("7", "/memfd:runc (deleted)", "memfd:runc"),
        ] {
            std::os::unix::fs::symlink(target, &exe).unwrap();
            assert_eq!(named(comm, directory.path()).program(), expected, "{comm} {target}");
            std::fs::remove_file(&exe).unwrap();
        }
    }

    #[test]
    fn the_first_argument_replaces_an_unreadable_executable() {
        let directory = tempfile::tempdir().unwrap();
        let program = || named("MainThread", directory.path()).program().to_owned();
        assert_eq!(program(), "MainThread");
        let long = "é".repeat(3000);
        for (cmdline, expected) in [
            (&b"/srv/app/bin/server\0--port\0/x\0"[..], "server"),
            (b"server", "server"),
            (b"./a b\xff/\0", "a b\u{fffd}"),
            (b"", "MainThread"),
            (b"/\0x\0", "MainThread"),
            (long.as_bytes(), &"é".repeat(32)),
        ] {
            std::fs::write(directory.path().join("cmdline"), cmdline).unwrap();
            assert_eq!(program(), expected);
        }
    }

    #[test]
    fn a_leader_that_has_ended_is_named_by_its_threads() {
        let directory = tempfile::tempdir().unwrap();
        let process = directory.path().join("7");
        for (tid, target) in [("7", "/wrong"), ("8", "/usr/bin/node")] {
            let task = process.join("task").join(tid);
            std::fs::create_dir_all(&task).unwrap();
            std::os::unix::fs::symlink(target, task.join("exe")).unwrap();
            std::fs::write(task.join("cgroup"), format!("0::{target}\n")).unwrap();
        }
        let stat =
            Stat { comm: "MainThread".to_owned(), leader_ended: true, parent: 1, start_time: 2 };
        let facts = ProcessFacts::new(stat, process);
        assert_eq!((facts.program(), facts.cgroup()), ("node", Some("/usr/bin/node")));
    }
}
