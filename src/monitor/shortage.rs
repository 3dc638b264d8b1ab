//! Shortages: errors that say nothing about the network namespace in which they occur.

use std::error::Error as _;
use std::io;

use super::error::MonitorError;
use crate::procfs::NamespaceError;
use crate::socket_diag::Error as DumpError;

/// What there is too little of. It may be there again at the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shortage {
    /// Descriptors of this process (`EMFILE`, `RLIMIT_NOFILE`).
    Descriptors,
    /// Open files of the host (`ENFILE`, `fs.file-max`).
    Files,
    /// Memory of the kernel (`ENOMEM`), or for a message (`ENOBUFS`, `netlink_alloc_skb()`).
    Memory,
    /// Threads of this process (`EAGAIN` of clone(2)): each namespace is entered by one. Elsewhere
    /// `EAGAIN` says that there is nothing to read.
    Threads,
}

impl Shortage {
    /// The shortage that an error is due to, if it is one.
    pub(super) fn of(error: &MonitorError) -> Option<Self> {
        let errno = match error {
            MonitorError::Descriptors { .. } => return Some(Self::Descriptors),
            MonitorError::Dump(DumpError::Refused { errno, .. }) => Some(*errno),
            MonitorError::Dump(_)
            | MonitorError::Namespace(_)
            | MonitorError::Counters(_)
            | MonitorError::Owners(_) => cause(error).and_then(io::Error::raw_os_error),
            _ => None,
        };
        match errno? {
            libc::EMFILE => Some(Self::Descriptors),
            libc::ENFILE => Some(Self::Files),
            libc::ENOMEM | libc::ENOBUFS => Some(Self::Memory),
            libc::EAGAIN if matches!(error, MonitorError::Namespace(NamespaceError::Io { .. })) => {
                Some(Self::Threads)
            }
            _ => None,
        }
    }

    /// What it is, and what to do about it.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::Descriptors => {
                "this process has too few descriptors: raise `ulimit -n`, in a systemd unit \
                 LimitNOFILE="
            }
            Self::Files => "the host has too few open files: raise fs.file-max",
            Self::Memory => {
                "the host, or the cgroup of this process, is short of memory: free some, or raise \
                 memory.max (MemoryMax= in a systemd unit)"
            }
            Self::Threads => {
                "this process may have too few threads: raise `ulimit -u` or pids.max, in a systemd \
                 unit LimitNPROC= or TasksMax="
            }
        }
    }
}

/// The error of the operating system that an error has as its cause.
fn cause(error: &MonitorError) -> Option<&io::Error> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        next = cause.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::ReadError;
    use crate::procfs::WalkError;

    #[test]
    fn a_shortage_is_found_wherever_it_occurs() {
        let error = io::Error::from_raw_os_error;
        let dump = |errno| {
            MonitorError::Dump(DumpError::Socket { operation: "open", source: error(errno) })
        };
        let refused = |errno| MonitorError::Dump(DumpError::Refused { errno, text: None });
        let counters = |errno| {
            MonitorError::Counters(ReadError::Open { path: "/p".into(), source: error(errno) })
        };
        let entering = |errno| {
            let (operation, path) = ("start a thread for", "/p".into());
            MonitorError::Namespace(NamespaceError::Io { operation, path, source: error(errno) })
        };
        let owners = |errno| {
            let (operation, path) = ("open", "/proc".into());
            MonitorError::Owners(WalkError { operation, path, source: error(errno) })
        };
        for (errno, found) in [
            (libc::EMFILE, Some(Shortage::Descriptors)),
            (libc::ENFILE, Some(Shortage::Files)),
            (libc::ENOMEM, Some(Shortage::Memory)),
            (libc::ENOBUFS, Some(Shortage::Memory)),
            (libc::ENOENT, None),
            (libc::EPERM, None),
        ] {
            for error in
                [dump(errno), refused(errno), counters(errno), entering(errno), owners(errno)]
            {
                assert_eq!(Shortage::of(&error), found, "{error}");
            }
        }
        // Nothing to read is no shortage.
        assert_eq!(Shortage::of(&dump(libc::EAGAIN)), None);
        assert_eq!(Shortage::of(&entering(libc::EAGAIN)), Some(Shortage::Threads));
    }
}
