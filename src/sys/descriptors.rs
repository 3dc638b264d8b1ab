//! How many descriptors this process may have.

use std::fs::File;
use std::os::fd::{AsRawFd as _, RawFd};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard one. The usual soft limit of 1024 is for programs that call
/// select(2); this one watches several descriptors of each network namespace.
pub fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // If it is refused, fewer namespaces are watched.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    }
}

/// How many descriptors this process may have.
pub fn descriptor_limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many more it may open, at least. `highest` is the highest that is known to be open: the
/// kernel gives each the lowest number that is free.
pub fn descriptors_left(highest: Option<RawFd>) -> u64 {
    let Ok(next) = File::open("/proc/self/limits") else { return 0 };
    let used = next.as_raw_fd().max(highest.unwrap_or(0));
    descriptor_limit().saturating_sub(u64::try_from(used).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_descriptors_are_taken_off() {
        let limit = descriptor_limit();
        let left = descriptors_left(None);
        assert!(left < limit && left > 0, "{left} of {limit}");
        assert_eq!(descriptors_left(Some(RawFd::MAX)), limit.saturating_sub(RawFd::MAX as u64));
    }
}
