//! The path of a cgroup, from the id that the kernel reports for a socket.
//!
//! `INET_DIAG_CGROUP_ID` (Linux 5.8) is `cgroup_id()`, the id of the kernfs node, which is the inode
//! number of the directory in the cgroup2 mount (on 64-bit kernels since 5.5). Sockets belong to no
//! version 1 hierarchy.
//!
//! `ss` opens ids by `open_by_handle_at`, which needs `CAP_DAC_READ_SEARCH`. Walking the directories
//! once needs no privilege. Leaves are recognised by their link count and not listed: kernfs keeps
//! `st_nlink` at 2 plus the number of subdirectories (`kernfs_refresh_inode()`, fs/kernfs/inode.c).

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustc_hash::FxHashMap;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir};
use rustix::io::Errno;

use super::mounts::mounts;
use crate::sys::read_regular_text;

/// After so many calls of [`Cgroups::learn`] an id that was not found is looked for again. Ids
/// are not reused, so nearly all of them belong to cgroups that were removed before the sockets that
/// were made in them; but a mount can also make one visible.
const RETRY_AFTER: u32 = 64;

/// Above so many known cgroups those that the current call did not ask for are forgotten: on a host
/// that starts a job a second the table would grow without end.
const REMEMBERED: usize = 16_384;

/// The most that is read of a list of processes: a line for each of 4,194,304, the largest
/// `pid_max` (`PID_MAX_LIMIT`, include/linux/threads.h).
const LARGEST_PROCESSES: u64 = 32 << 20;

/// A failure of finding or reading cgroups.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// There is no visible cgroup2 mount.
    #[error(
        "no cgroup2 file system is mounted (the host uses cgroup version 1 only, or hides it): sockets have no cgroup path here"
    )]
    NoCgroup2,
    /// A path that names no cgroup.
    #[error("{} is not a cgroup: {source} (give a path below {}, absolute or relative to it)", path.display(), mount.display())]
    NotACgroup {
        /// As it was given.
        path: PathBuf,
        /// Where cgroup2 is mounted.
        mount: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// Reading failed.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the kernel said.
        source: std::io::Error,
    },
}

#[derive(Debug)]
enum Lookup {
    Known(Box<str>),
    /// Not found by this call of `learn`.
    Missing(u32),
}

#[derive(Debug)]
struct Mount {
    point: PathBuf,
    directory: OwnedFd,
    root: u64,
}

/// The cgroups that sockets were seen in.
#[derive(Debug)]
pub struct Cgroups {
    mount: Option<Mount>,
    paths: FxHashMap<u64, Lookup>,
    calls: u32,
    walks: u64,
}

impl Cgroups {
    /// Looks for the cgroup2 mount in this process's mount table. Without one (version 1 hosts)
    /// every path is unknown, which is no error.
    ///
    /// # Errors
    /// When the mount table or the mount cannot be read.
    pub fn new(proc_root: &Path) -> Result<Self, CgroupError> {
        let table = mounts(proc_root).map_err(|source| CgroupError::Io {
            operation: "read",
            path: proc_root.join("self/mountinfo"),
            source,
        })?;
        // All are the same hierarchy, but a bind mount of a subtree shows less of it and shortens the
        // paths.
        let point = table
            .into_iter()
            .filter(|mount| mount.fs_type == "cgroup2")
            .min_by_key(|mount| mount.root != "/")
            .map(|mount| mount.mount_point);
        point.map_or_else(|| Ok(Self::without_mount()), |point| Self::at(&point))
    }

    /// Reads the cgroup2 file system mounted at `point`.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn at(point: &Path) -> Result<Self, CgroupError> {
        let directory =
            open_directory(CWD, point).map_err(|errno| failure("open", point, errno))?;
        let root = inode(&directory, "").map_err(|errno| failure("read", point, errno))?.0;
        let mount = Mount { point: point.to_owned(), directory, root };
        Ok(Self { mount: Some(mount), ..Self::without_mount() })
    }

    fn without_mount() -> Self {
        Self { mount: None, paths: FxHashMap::default(), calls: 0, walks: 0 }
    }

    /// Where cgroup2 is mounted.
    #[must_use]
    pub fn mount_point(&self) -> Option<&Path> {
        self.mount.as_ref().map(|mount| mount.point.as_path())
    }

    /// Whether this is the id of the root cgroup, which says nothing about its processes.
    #[must_use]
    pub fn is_root(&self, id: u64) -> bool {
        self.mount.as_ref().is_none_or(|mount| mount.root == id)
    }

    /// How often the hierarchy had to be walked.
    #[must_use]
    pub fn walks(&self) -> u64 {
        self.walks
    }

    /// Makes sure that [`Cgroups::path`] knows these ids, as far as they can be known. Walks the
    /// hierarchy only when there is a new one among them. Call it once per poll.
    pub fn learn(&mut self, ids: impl IntoIterator<Item = u64>) {
        let Some(mount) = &self.mount else { return };
        self.calls = self.calls.wrapping_add(1);
        let mut unknown = false;
        let mut asked = Vec::new();
        for id in ids {
            match self.paths.get(&id) {
                Some(Lookup::Known(_)) => {}
                Some(Lookup::Missing(call)) => {
                    unknown |= self.calls.wrapping_sub(*call) >= RETRY_AFTER;
                }
                None => unknown |= id != mount.root,
            }
            asked.push(id);
        }
        if self.paths.len() > REMEMBERED {
            let asked: rustc_hash::FxHashSet<u64> = asked.iter().copied().collect();
            self.paths.retain(|id, _| asked.contains(id));
        }
        if unknown {
            self.walks += 1;
            walk(mount, &mut self.paths);
            for id in asked {
                let missing = Lookup::Missing(self.calls);
                match self.paths.get_mut(&id) {
                    Some(Lookup::Known(_)) => {}
                    Some(lookup) => *lookup = missing,
                    None => drop(self.paths.insert(id, missing)),
                }
            }
        }
        self.paths.insert(mount.root, Lookup::Known("/".into()));
    }

    /// The path of a cgroup below the mount, `/` for the root, exactly as `ss --cgroup` has it.
    /// `None` when it was not learnt, or was removed before it was first asked for. One that was
    /// removed later keeps its path here (`ss` then prints `unreachable:<id>`).
    #[must_use]
    pub fn path(&self, id: u64) -> Option<&str> {
        match self.paths.get(&id)? {
            Lookup::Known(path) => Some(path),
            Lookup::Missing(_) => None,
        }
    }

    /// The id of the cgroup at `path`, which is absolute (`/sys/fs/cgroup/system.slice`) or
    /// relative to the root cgroup (`/system.slice`, `system.slice`).
    ///
    /// # Errors
    /// When there is no such cgroup, or no cgroup2 mount.
    pub fn id_of_path(&self, path: &Path) -> Result<u64, CgroupError> {
        let mount = self.mount.as_ref().ok_or(CgroupError::NoCgroup2)?;
        let below =
            path.strip_prefix(&mount.point).or_else(|_| path.strip_prefix("/")).unwrap_or(path);
        let refuse = |errno: Errno| CgroupError::NotACgroup {
            path: path.to_owned(),
            mount: mount.point.clone(),
            source: errno.into(),
        };
        // ".." would leave the hierarchy, and another file system's inode numbers are no ids.
        if below
            .components()
            .any(|component| !matches!(component, Component::Normal(_) | Component::CurDir))
        {
            return Err(refuse(Errno::INVAL));
        }
        let directory = if below.as_os_str().is_empty() { Path::new(".") } else { below };
        let directory = open_directory(&mount.directory, directory).map_err(refuse)?;
        inode(&directory, "").map(|(id, _)| id).map_err(refuse)
    }

    /// The processes that are in a cgroup itself (not below it); none when its path is not known,
    /// it is threaded (`EOPNOTSUPP`) or was removed.
    #[must_use]
    pub fn processes(&self, id: u64) -> Vec<u32> {
        let read = || {
            let path = self.mount.as_ref()?.point.join(self.path(id)?.trim_start_matches('/'));
            read_regular_text(&path.join("cgroup.procs"), LARGEST_PROCESSES).ok()
        };
        // 0 stands for a process outside our pid namespace.
        read().map_or_else(Vec::new, |text| {
            text.lines().filter_map(|pid| pid.parse().ok()).filter(|&pid| pid != 0).collect()
        })
    }
}

/// Maps every cgroup below the mount by its id. A directory that is removed meanwhile or that we may
/// not list is left out.
fn walk(mount: &Mount, paths: &mut FxHashMap<u64, Lookup>) {
    let mut buffer = vec![MaybeUninit::uninit(); 32 * 1024];
    let mut pending = vec![String::new()];
    while let Some(parent) = pending.pop() {
        let below = if parent.is_empty() { "." } else { parent.trim_start_matches('/') };
        let Ok(directory) = open_directory(&mount.directory, below) else {
            continue;
        };
        let mut entries = RawDir::new(&directory, &mut buffer);
        while let Some(Ok(entry)) = entries.next() {
            let name = entry.file_name();
            if !entry.file_type().is_dir() || matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let Ok((id, links)) = inode(&directory, name) else {
                continue;
            };
            let path = format!("{parent}/{}", name.to_string_lossy());
            if links > 2 {
                pending.push(path.clone());
            }
            paths.insert(id, Lookup::Known(path.into()));
        }
    }
}

fn open_directory<P: rustix::path::Arg>(
    at: impl std::os::fd::AsFd,
    path: P,
) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(
        at,
        path,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

/// A directory's inode number and link count.
fn inode<P: rustix::path::Arg>(at: &OwnedFd, path: P) -> Result<(u64, u64), Errno> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::SYMLINK_NOFOLLOW;
    // Not statx(2), which came with Linux 4.11.
    let stat = rustix::fs::statat(at, path, flags)?;
    #[allow(clippy::unnecessary_cast, reason = "the field's type differs between architectures")]
    let links = stat.st_nlink as u64;
    Ok((stat.st_ino, links))
}

fn failure(operation: &'static str, path: &Path, errno: Errno) -> CgroupError {
    CgroupError::Io { operation, path: path.to_owned(), source: errno.into() }
}

#[cfg(test)]
#[path = "cgroup_tests.rs"]
mod tests;
