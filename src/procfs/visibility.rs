//! What is hidden from a search for the owners of sockets: by procfs's `hidepid` option, by pid
//! namespaces, for lack of a capability, or because the search has a limit.
//!
//! A socket has no owner only where nothing is hidden.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use ::procfs::process::MountInfo;
use rustix::thread::CapabilitySet;

use super::capabilities::is_in_initial_user_namespace;
use super::mounts::mounts;

/// The initial pid namespace's inode number, `PROC_PID_INIT_INO` (`include/linux/proc_ns.h`).
const INITIAL_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// How much of other users' processes this procfs shows (proc(5), `hidepid=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HidePid {
    /// `1`, `noaccess`: listed, but nothing in them can be read.
    NoAccess,
    /// `2`, `invisible`: not even listed.
    Invisible,
    /// `4`, `ptraceable`: only those listed that we may trace (Linux 5.8).
    Ptraceable,
}

/// What may hide the owner of a socket, so that "hidden" is reported instead of "no owner".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnerLimits {
    /// Processes whose descriptors the last walk was not permitted to read. `CAP_SYS_PTRACE`
    /// permits it (together with `CAP_DAC_READ_SEARCH` for those of other users).
    pub processes_hidden: u64,
    /// Threads that the last walk left out because there were too many, so that descriptor tables
    /// of their own would not have been found.
    pub threads_unread: u64,
    /// The mount option that hides processes from us. `None` as well when it is set and we are
    /// exempt from it.
    pub hidepid: Option<HidePid>,
    /// Only processes of our own pid namespace are visible. No capability helps; running in the
    /// initial one does (`--pid=host` of the container runtimes).
    pub foreign_pid_namespace: bool,
}

impl OwnerLimits {
    /// Whether a socket whose holder was not found may have one all the same.
    #[must_use]
    pub fn hides(&self) -> bool {
        self.processes_hidden > 0
            || self.threads_unread > 0
            || self.foreign_pid_namespace
            || self.hidepid.is_some_and(|hidepid| hidepid >= HidePid::Invisible)
    }

    /// Whether it is for lack of a permission that owners are hidden.
    #[must_use]
    pub fn lacks_permission(&self) -> bool {
        self.processes_hidden > 0 || self.hidepid.is_some()
    }

    /// Reads what is the same for every process: mount options and namespaces.
    #[must_use]
    pub fn probe(proc_root: &Path) -> Self {
        let hidepid = mounts(proc_root).ok().and_then(|mounts| mounted(&mounts, proc_root));
        Self {
            processes_hidden: 0,
            threads_unread: 0,
            hidepid: hidepid.filter(|_| !sees_everything(proc_root)),
            foreign_pid_namespace: namespace(proc_root, "pid")
                .is_some_and(|inode| inode != INITIAL_PID_NAMESPACE),
        }
    }
}

fn mounted(mounts: &[MountInfo], proc_root: &Path) -> Option<HidePid> {
    // The last mount on a mount point is the visible one.
    let mount =
        mounts.iter().rfind(|mount| mount.fs_type == "proc" && mount.mount_point == proc_root)?;
    // Words since Linux 5.8 (`hidepid2str()`, fs/proc/root.c), numbers before.
    match mount.super_options.get("hidepid")?.as_deref()? {
        "1" | "noaccess" => Some(HidePid::NoAccess),
        "2" | "invisible" => Some(HidePid::Invisible),
        "4" | "ptraceable" => Some(HidePid::Ptraceable),
        _ => None,
    }
}

/// `has_pid_permissions()` (fs/proc/base.c) exempts whoever may trace the process. (It also
/// exempts the members of the mount's `gid=`, except for `ptraceable`. Members are not recognised
/// here: for them a socket without owner is reported as hidden, which is the safe side.)
fn sees_everything(proc_root: &Path) -> bool {
    is_in_initial_user_namespace(proc_root)
        && rustix::thread::capabilities(None)
            .is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_PTRACE))
}

fn namespace(proc_root: &Path, kind: &str) -> Option<u64> {
    std::fs::metadata(proc_root.join("self/ns").join(kind)).ok().map(|metadata| metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(point: &str, options: &str) -> MountInfo {
        MountInfo::from_line(&format!("22 27 0:21 / {point} rw - proc proc {options}")).unwrap()
    }

    #[test]
    fn the_last_mount_on_proc_counts() {
        for (options, expected) in [
            ("rw", None),
            ("rw,hidepid=off", None),
            ("rw,hidepid=1", Some(HidePid::NoAccess)),
            ("rw,gid=5,hidepid=2", Some(HidePid::Invisible)),
            ("rw,hidepid=invisible,subset=pid", Some(HidePid::Invisible)),
            ("rw,hidepid=ptraceable", Some(HidePid::Ptraceable)),
        ] {
            let mounts = [
                mount("/proc", "rw,hidepid=4"),
                mount("/proc", options),
                mount("/chroot/proc", "rw,hidepid=2"),
            ];
            assert_eq!(mounted(&mounts, Path::new("/proc")), expected, "{options}");
        }
    }

    #[test]
    fn every_limit_hides_owners() {
        let nothing = OwnerLimits::default();
        assert!(!nothing.hides() && !nothing.lacks_permission());
        // noaccess alone hides nothing that is not counted as refused.
        assert!(!OwnerLimits { hidepid: Some(HidePid::NoAccess), ..nothing }.hides());
        assert!(OwnerLimits { hidepid: Some(HidePid::Invisible), ..nothing }.hides());
        assert!(OwnerLimits { processes_hidden: 1, ..nothing }.hides());
        let unread = OwnerLimits { threads_unread: 1, ..nothing };
        assert!(unread.hides() && !unread.lacks_permission());
        let container = OwnerLimits { foreign_pid_namespace: true, ..nothing };
        assert!(container.hides() && !container.lacks_permission());
    }
}
