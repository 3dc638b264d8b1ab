//! Whether two threads use the same descriptor table.
#![allow(unsafe_code, reason = "kcmp(2) is in no safe library of the tree")]

use rustix::io::Errno;

/// `KCMP_FILES` (include/uapi/linux/kcmp.h).
const KCMP_FILES: libc::c_long = 2;

/// Whether two threads share one descriptor table (`files_struct`), by their ids in our own pid
/// namespace.
///
/// # Errors
/// `ESRCH` when one of them is gone, `EPERM` without ptrace read access to both, `ENOSYS` without
/// `CONFIG_KCMP`; sandboxes answer `EPERM` or `ENOSYS` for all.
pub fn share_descriptor_table(one: u32, other: u32) -> Result<bool, Errno> {
    // SAFETY: five numbers, the last two not used for this type; the kernel only compares two of
    // its own pointers.
    let order = unsafe {
        libc::syscall(
            libc::SYS_kcmp,
            libc::c_long::from(one),
            libc::c_long::from(other),
            KCMP_FILES,
            0 as libc::c_long,
            0 as libc::c_long,
        )
    };
    match order {
        0 => Ok(true),
        // Different: less, greater or unordered.
        1.. => Ok(false),
        _ => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::NOSYS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_one_table_and_processes_do_not() {
        let me = std::process::id();
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let outcomes = [me, child.id()].map(|other| share_descriptor_table(me, other));
        child.kill().unwrap();
        child.wait().unwrap();
        // Without CONFIG_KCMP, or where a sandbox forbids it, both are unknown, and none is guessed.
        let is_refused = std::env::var_os("TCPDIAG_REQUIRE_PRIVILEGED").is_none_or(|it| it != "1")
            && matches!(outcomes[0], Err(Errno::NOSYS | Errno::PERM));
        let expected = if is_refused { [outcomes[0]; 2] } else { [Ok(true), Ok(false)] };
        assert_eq!(outcomes, expected);
        let sibling = std::thread::spawn(|| {
            let tid = u32::try_from(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
            share_descriptor_table(std::process::id(), tid)
        });
        assert_eq!(sibling.join().unwrap(), expected[0]);
        let gone = share_descriptor_table(me, child.id());
        assert_eq!(gone, if is_refused { outcomes[0] } else { Err(Errno::SRCH) });
    }
}
