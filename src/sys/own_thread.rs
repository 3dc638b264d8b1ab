//! The files of the calling thread in procfs.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The directory of the calling thread in the procfs at `proc_root`. Its `net` and `ns/net` are
/// those of the thread's network namespace, not of that of the process.
///
/// Linux 3.17 brought `thread-self`, and `net` below `self/task/TID`. Before that a thread has all
/// files below `/proc/TID`, which is not listed but found: `proc_pid_lookup()` (fs/proc/base.c,
/// 3.10) looks for any task, and `get_proc_task_net()` takes its namespace. The id is ours only in
/// a procfs of our pid namespace. In another one that is as old, the path names a file that is
/// absent, rather than one of another thread.
pub fn own_thread(proc_root: &Path) -> PathBuf {
    let known = proc_root.join("thread-self");
    let is_ours = || {
        let own = std::fs::read_link(proc_root.join("self")).ok()?;
        (own.to_str()?.parse() == Ok(std::process::id())).then_some(())
    };
    if known.symlink_metadata().is_ok() || is_ours().is_none() {
        return known;
    }
    proc_root.join(rustix::thread::gettid().as_raw_nonzero().to_string())
}

/// The counter files of the network namespace of whichever thread opens them, on Linux 3.17 and newer;
/// [`at_own_thread`] makes it so on all.
pub const OWN_COUNTERS: &str = "/proc/thread-self/net";

/// A path below `/proc/thread-self` as the calling thread has to open it; other paths as they are.
pub fn at_own_thread(path: &Path) -> Cow<'_, Path> {
    static IS_KNOWN: OnceLock<bool> = OnceLock::new();
    const OWN: &str = "/proc/thread-self";
    match path.strip_prefix(OWN) {
        Ok(rest) if !*IS_KNOWN.get_or_init(|| Path::new(OWN).symlink_metadata().is_ok()) => {
            own_thread(Path::new("/proc")).join(rest).into()
        }
        _ => path.into(),
    }
}

/// The counter files of the calling thread's network namespace.
pub fn own_counters() -> PathBuf {
    at_own_thread(Path::new(OWN_COUNTERS)).into_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn without_thread_self_a_thread_is_found_by_its_id() {
        let proc = tempfile::tempdir().unwrap();
        let root = proc.path();
        let tid = || rustix::thread::gettid().as_raw_nonzero().to_string();
        // A procfs of another pid namespace: no id that we know is meant.
        symlink("4194304", root.join("self")).unwrap();
        assert_eq!(own_thread(root), root.join("thread-self"));
        std::fs::remove_file(root.join("self")).unwrap();
        symlink(std::process::id().to_string(), root.join("self")).unwrap();
        assert_eq!(own_thread(root), root.join(tid()));
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!(own_thread(root), root.join(tid()))).join().unwrap();
        });
        // A magic link on a real procfs, which leads nowhere here.
        symlink("nowhere", root.join("thread-self")).unwrap();
        assert_eq!(own_thread(root), root.join("thread-self"));
    }

    #[test]
    fn the_files_of_a_thread_without_thread_self_are_its_own() {
        let tid = rustix::thread::gettid().as_raw_nonzero().to_string();
        for file in ["ns/net", "net/snmp"] {
            let named = std::fs::metadata(own_thread(Path::new("/proc")).join(file)).unwrap();
            let numbered = std::fs::metadata(Path::new("/proc").join(&tid).join(file)).unwrap();
            assert_eq!(
                std::os::unix::fs::MetadataExt::ino(&named),
                std::os::unix::fs::MetadataExt::ino(&numbered),
                "{file}"
            );
        }
    }
}
