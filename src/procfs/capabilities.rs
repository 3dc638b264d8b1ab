//! What this process is permitted to read.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::thread::CapabilitySet;

use crate::sys::{governs, own_thread};

/// The initial user namespace's inode number, `PROC_USER_INIT_INO` (include/linux/proc_ns.h).
const INITIAL_USER_NAMESPACE: u64 = 0xEFFF_FFFD;

fn has(wanted: CapabilitySet) -> bool {
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(wanted))
}

/// Whether this process is in the initial user namespace; without user namespaces there is no other.
pub(super) fn is_in_initial_user_namespace(proc_root: &Path) -> bool {
    std::fs::metadata(proc_root.join("self/ns/user"))
        .map_or(true, |metadata| metadata.ino() == INITIAL_USER_NAMESPACE)
}

/// What of other processes may not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// Their open descriptors, which show who holds a socket.
    Descriptors,
    /// Their network namespaces.
    Namespaces,
}

impl Unreadable {
    /// The capabilities that permit it for the processes of our user namespace.
    fn needs(self) -> &'static str {
        match self {
            Self::Descriptors => "CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH",
            Self::Namespaces => "CAP_SYS_PTRACE",
        }
    }

    fn is_permitted(self) -> bool {
        let ptrace = CapabilitySet::SYS_PTRACE;
        match self {
            Self::Descriptors => {
                has(ptrace | CapabilitySet::DAC_READ_SEARCH)
                    || has(ptrace | CapabilitySet::DAC_OVERRIDE)
            }
            Self::Namespaces => has(ptrace),
        }
    }

    /// What would show it: the end of a sentence about processes that are hidden.
    pub fn remedy(self) -> String {
        let initial = is_in_initial_user_namespace(Path::new("/proc"));
        match (initial, self.is_permitted()) {
            (true, false) => format!("{} would show them", self.needs()),
            (true, true) => {
                "no capability is missing: a security module or a sandbox forbids it".to_owned()
            }
            // `ptrace_may_access()` asks for the capability in the user namespace of the process.
            (false, false) => format!(
                "{} would show those of this user namespace; for the others run in the host's \
                 user namespace",
                self.needs()
            ),
            (false, true) => "capabilities do not count for processes outside this user \
                 namespace: run in the host's user namespace"
                .to_owned(),
        }
    }
}

/// Whether the kernel reports to this process marks, MD5 peers and MPTCP sequence numbers: it asks
/// for CAP_NET_ADMIN in the user namespace that owns the network namespace
/// (`netlink_net_capable()`). Other network namespaces than the thread's own are entered with
/// capabilities over them.
pub fn has_net_admin() -> bool {
    // Before Linux 4.9 the owner is not known: the namespace is taken for ours.
    let is_ours = || {
        let own = File::open(own_thread(Path::new("/proc")).join("ns/net")).ok()?;
        governs(own)
    };
    has(CapabilitySet::NET_ADMIN) && is_ours().unwrap_or(true)
}

/// The right to see every attribute of a socket.
pub const NET_ADMIN: &str = "CAP_NET_ADMIN";

/// The right that is missing where [`has_net_admin`] is false.
pub fn missing_net_admin() -> &'static str {
    if has(CapabilitySet::NET_ADMIN) {
        "CAP_NET_ADMIN in the user namespace that owns the network namespace"
    } else {
        NET_ADMIN
    }
}

/// What is absent from every socket without this right.
pub fn hidden_attributes(missing: &str) -> String {
    format!("mark, MD5 peers and MPTCP sequence numbers: {missing} would show them")
}
