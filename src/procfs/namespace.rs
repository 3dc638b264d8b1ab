//! Network namespaces: which there are, which one a name means, and running code inside one. Found
//! by `/run/netns`, `/proc/PID/ns/net` and nsfs mounts; entered by `setns`.
//!
//! A socket stays in the namespace of the thread that made it. So a temporary thread makes it there
//! and returns it; no other thread ever changes its namespace.
//!
//! A namespace without a name, a mount or a visible process is not found (one kept by a descriptor,
//! or by a thread that is not the leader of its process).

use std::fs::File;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustc_hash::FxHashSet;
use rustix::io::Errno;
use rustix::thread::LinkNameSpaceType;

use super::mounts::mounts;
use super::proc_walk::{ProcWalk, WalkError};
use crate::sys::own_thread;

/// Where `ip netns` keeps names. `/var/run` is a link to `/run` nearly everywhere.
const NAME_DIRECTORIES: [&str; 2] = ["/run/netns", "/var/run/netns"];

/// `NSFS_MAGIC` (include/uapi/linux/magic.h): the file system of namespace files.
const NSFS_MAGIC: i64 = 0x6e73_6673;
/// `PROC_SUPER_MAGIC`: where namespace files were before Linux 3.19.
const PROC_MAGIC: i64 = 0x9fa0;

/// A failure of finding or entering a network namespace.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// The specification matches nothing here.
    #[error("no network namespace {spec:?}: it is neither a name in {} nor a process nor a file (accepted: NAME, PID or PATH)", names.display())]
    NotFound {
        /// As it was given.
        spec: String,
        /// Where names are looked for.
        names: PathBuf,
    },
    /// It is a file, but not a network namespace.
    #[error("{} is not a network namespace", path.display())]
    NotANamespace {
        /// The file.
        path: PathBuf,
    },
    /// The privilege to read it is missing.
    #[error("not permitted to open the network namespace {}: that needs CAP_SYS_PTRACE in the user namespace of its process", path.display())]
    NotReadable {
        /// The file.
        path: PathBuf,
    },
    /// The privilege to enter it is missing.
    #[error("not permitted to enter the network namespace {}: that needs CAP_SYS_ADMIN, here and in the user namespace that owns it", path.display())]
    NotEnterable {
        /// The file.
        path: PathBuf,
    },
    /// Another namespace is there now, because the pid or the name was reused.
    #[error("the network namespace {} is no longer the one that was found there", path.display())]
    Replaced {
        /// The file.
        path: PathBuf,
    },
    /// Anything else.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The processes could not be listed.
    #[error(transparent)]
    Walk(#[from] WalkError),
}

/// A network namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetNamespace {
    /// The inode number of its nsfs file, its identity on this host while it lives.
    pub inode: u64,
    /// Its name, if `ip netns` gave it one.
    pub name: Option<String>,
    /// A process in it, if that is how it was found.
    pub pid: Option<u32>,
    /// A file of it.
    pub path: PathBuf,
}

/// Every visible network namespace.
#[derive(Debug, Clone, Default)]
pub struct AllNamespaces {
    /// Distinct ones: our own first, then named ones, mounted ones, those of processes.
    pub namespaces: Vec<NetNamespace>,
    /// Processes whose namespace we may not read, so that others may exist (`CAP_SYS_PTRACE`).
    pub processes_hidden: u64,
}

/// The directories to search for namespaces.
#[derive(Debug, Clone)]
pub struct Namespaces {
    proc_root: PathBuf,
    names: Vec<PathBuf>,
}

impl Namespaces {
    /// Looks in the procfs at `proc_root` and in `/run/netns`.
    #[must_use]
    pub fn new(proc_root: &Path) -> Self {
        Self::with_names(proc_root, NAME_DIRECTORIES.map(PathBuf::from).into())
    }

    /// Looks for names in other directories.
    #[must_use]
    pub fn with_names(proc_root: &Path, names: Vec<PathBuf>) -> Self {
        Self { proc_root: proc_root.to_owned(), names }
    }

    /// The namespace of the calling thread; with its name, where it has one.
    ///
    /// # Errors
    /// When procfs cannot be read.
    pub fn current(&self) -> Result<NetNamespace, NamespaceError> {
        let path = own_thread(&self.proc_root).join("ns/net");
        let inode = identify(&path)?;
        let name = self
            .named()
            .into_iter()
            .find(|named| named.inode == inode)
            .and_then(|named| named.name);
        Ok(NetNamespace { inode, name, pid: None, path })
    }

    /// The namespaces that have a name, by name. A file that is none (`ip netns` leaves one behind
    /// when the mount is lost) is skipped.
    #[must_use]
    pub fn named(&self) -> Vec<NetNamespace> {
        let mut named: Vec<NetNamespace> = Vec::new();
        for directory in &self.names {
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                let path = entry.path();
                let name = entry.file_name().to_string_lossy().into_owned();
                if named.iter().any(|known| known.name.as_ref() == Some(&name)) {
                    continue;
                }
                if let Ok(inode) = identify(&path) {
                    named.push(NetNamespace { inode, name: Some(name), pid: None, path });
                }
            }
        }
        named.sort_by(|one, other| one.name.cmp(&other.name));
        named
    }

    /// The namespace that `spec` means: a NAME, a PID, or a PATH (anything with a slash). A name
    /// goes before a pid, as for `ip netns`.
    ///
    /// # Errors
    /// When it means none, or one that we may not read.
    pub fn resolve(&self, spec: &str) -> Result<NetNamespace, NamespaceError> {
        if spec.contains('/') {
            let path = PathBuf::from(spec);
            let inode = identify(&path)?;
            let name = self
                .named()
                .into_iter()
                .find(|named| named.inode == inode)
                .and_then(|named| named.name);
            return Ok(NetNamespace { inode, name, pid: None, path });
        }
        let not_found = || NamespaceError::NotFound {
            spec: spec.to_owned(),
            names: self.names.first().cloned().unwrap_or_default(),
        };
        if spec.is_empty() || spec == "." || spec == ".." {
            return Err(not_found());
        }
        for path in self.names.iter().map(|directory| directory.join(spec)) {
            match identify(&path) {
                Ok(inode) => {
                    return Ok(NetNamespace {
                        inode,
                        name: Some(spec.to_owned()),
                        pid: None,
                        path,
                    });
                }
                Err(NamespaceError::Io { source, .. })
                    if source.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let pid: u32 = spec.parse().map_err(|_| not_found())?;
        let path = self.proc_root.join(format!("{pid}/ns/net"));
        match identify(&path) {
            Ok(inode) => Ok(NetNamespace { inode, name: None, pid: Some(pid), path }),
            Err(NamespaceError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Err(not_found())
            }
            Err(error) => Err(error),
        }
    }

    /// Every distinct visible namespace: our own, the named ones, those that are mounted somewhere
    /// (container runtimes do that), and those of processes, with one process each.
    ///
    /// # Errors
    /// When procfs cannot be read.
    pub fn all(&self) -> Result<AllNamespaces, NamespaceError> {
        let mut all = AllNamespaces::default();
        let mut seen = FxHashSet::default();
        let mut add = |namespace: NetNamespace| {
            if seen.insert(namespace.inode) {
                all.namespaces.push(namespace);
            }
        };
        add(self.current()?);
        self.named().into_iter().for_each(&mut add);
        self.mounted().into_iter().for_each(&mut add);
        let mut walk = ProcWalk::open(&self.proc_root)?;
        let mut pids = Vec::new();
        walk.list(&mut pids)?;
        let mut hidden = 0;
        for pid in pids {
            match walk.network_namespace(pid) {
                Ok(Some(inode)) => {
                    let path = self.proc_root.join(format!("{pid}/ns/net"));
                    add(NetNamespace { inode, name: None, pid: Some(pid), path });
                }
                Err(Errno::ACCESS | Errno::PERM) => hidden += 1,
                // Gone, or a zombie, which is in no namespace any more.
                Ok(None) | Err(_) => {}
            }
        }
        all.processes_hidden = hidden;
        Ok(all)
    }

    /// The namespaces that are mounted, wherever: nsfs mounts have `net:[inode]` as their root.
    /// Before Linux 3.19 (e149ed2b805f) namespace files were of procfs, and a mount of one is told
    /// from one of all of procfs by not being a directory.
    fn mounted(&self) -> Vec<NetNamespace> {
        let mounts = mounts(&self.proc_root).unwrap_or_default();
        let network = mounts.into_iter().filter(|mount| match mount.fs_type.as_str() {
            "nsfs" => mount.root.starts_with("net:["),
            "proc" => mount.root == "/",
            _ => false,
        });
        network
            .filter_map(|mount| {
                let inode = identify(&mount.mount_point).ok()?;
                Some(NetNamespace { inode, name: None, pid: None, path: mount.mount_point })
            })
            .collect()
    }
}

impl NetNamespace {
    /// Runs `work` in this namespace, in a temporary thread. What it returns (a socket, say) stays
    /// usable in any thread. If the caller is in this namespace already, `work` runs in its own
    /// thread, which needs no privilege.
    ///
    /// # Errors
    /// When the namespace cannot be entered, or is no longer the same one.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
        if self.is_current() { Ok(work()) } else { self.enter(&self.open()?, work) }
    }

    /// Holds its file open: so it can be entered also when the name or the process is gone.
    ///
    /// # Errors
    /// When it cannot be opened, or is no longer the same one.
    pub fn hold(&self) -> Result<HeldNamespace, NamespaceError> {
        Ok(HeldNamespace { namespace: self.clone(), file: self.open()? })
    }

    /// Whether the calling thread is in it.
    fn is_current(&self) -> bool {
        let own = own_thread(Path::new("/proc")).join("ns/net");
        std::fs::metadata(own).is_ok_and(|here| here.ino() == self.inode)
    }

    fn open(&self) -> Result<File, NamespaceError> {
        let file = File::open(&self.path).map_err(|source| self.refused("open", source))?;
        if file.metadata().map_err(|source| self.refused("read", source))?.ino() != self.inode {
            return Err(NamespaceError::Replaced { path: self.path.clone() });
        }
        Ok(file)
    }

    fn enter<T: Send>(
        &self,
        file: &File,
        work: impl FnOnce() -> T + Send,
    ) -> Result<T, NamespaceError> {
        std::thread::scope(|scope| {
            let thread =
                std::thread::Builder::new().name("netns".to_owned()).spawn_scoped(scope, || {
                    rustix::thread::move_into_link_name_space(
                        file.as_fd(),
                        Some(LinkNameSpaceType::Network),
                    )
                    .map(|()| work())
                });
            let thread = thread.map_err(|source| self.refused("start a thread for", source))?;
            match thread.join() {
                Ok(outcome) => outcome.map_err(|errno| self.not_entered(errno)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    fn refused(&self, operation: &'static str, source: io::Error) -> NamespaceError {
        refused(operation, &self.path, source)
    }

    fn not_entered(&self, errno: Errno) -> NamespaceError {
        let path = self.path.clone();
        match errno {
            Errno::PERM => NamespaceError::NotEnterable { path },
            // A namespace of another kind (`netns_install()` is not called).
            Errno::INVAL => NamespaceError::NotANamespace { path },
            _ => NamespaceError::Io { operation: "enter", path, source: errno.into() },
        }
    }
}

/// A network namespace whose file is held open.
#[derive(Debug)]
pub struct HeldNamespace {
    namespace: NetNamespace,
    file: File,
}

impl HeldNamespace {
    /// Runs `work` in it, as [`NetNamespace::inside`] does.
    ///
    /// # Errors
    /// When it cannot be entered.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
        let namespace = &self.namespace;
        if namespace.is_current() { Ok(work()) } else { namespace.enter(&self.file, work) }
    }
}

/// The inode number of a namespace file.
fn identify(path: &Path) -> Result<u64, NamespaceError> {
    let read = |operation| move |errno: Errno| refused(operation, path, errno.into());
    let file_system = rustix::fs::statfs(path).map_err(read("open"))?;
    // The type of the field differs between architectures.
    #[allow(clippy::unnecessary_cast, reason = "the field's type differs between architectures")]
    let magic = file_system.f_type as i64;
    let metadata = std::fs::metadata(path).map_err(|source| refused("read", path, source))?;
    // A namespace of another kind is refused by `setns`: detecting it here would take an ioctl.
    if metadata.is_dir() || ![NSFS_MAGIC, PROC_MAGIC].contains(&magic) {
        return Err(NamespaceError::NotANamespace { path: path.to_owned() });
    }
    Ok(metadata.ino())
}

fn refused(operation: &'static str, path: &Path, source: io::Error) -> NamespaceError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::PermissionDenied => NamespaceError::NotReadable { path },
        _ => NamespaceError::Io { operation, path, source },
    }
}

#[cfg(test)]
#[path = "namespace_tests.rs"]
mod tests;
