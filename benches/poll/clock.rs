//! Processor time and memory of this process and its children.
#![allow(
    unsafe_code,
    reason = "getrusage(2), wait4(2) and close_range(2) are in no safe library of the tree"
)]

use std::io;
use std::mem::MaybeUninit;
use std::process::{Command, Stdio};

/// The cost of something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spent {
    /// Processor time, user and system, microseconds.
    pub(super) cpu_us: u64,
    /// Largest resident set, kilobytes. An upper bound: the kernel starts it at that of the process
    /// that called `exec`, so the parent must be small.
    pub(super) peak_kb: u64,
}

impl Spent {
    fn of(usage: &libc::rusage) -> Self {
        // The split into user and system is sampled by ticks on most kernels;
        // the sum is exact (cputime_adjust()).
        let us = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
        Self {
            cpu_us: us(usage.ru_utime) + us(usage.ru_stime),
            peak_kb: u64::try_from(usage.ru_maxrss).unwrap_or(0),
        }
    }
}

/// Processor time of this process, microseconds.
pub(super) fn own_cpu_us() -> u64 {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to a writable rusage, and all zeros are a valid one.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    Spent::of(&usage).cpu_us
}

/// Keeps this process's initial descriptors from its children: the cost of searching a process for
/// a socket depends on its number of descriptors.
pub(super) fn keep_descriptors_here() {
    let flags = libc::CLOSE_RANGE_CLOEXEC as libc::c_int;
    // SAFETY: closes nothing; only sets a flag on open descriptors. Before Linux 5.11 it fails and
    // does nothing.
    unsafe {
        libc::close_range(3, libc::c_uint::MAX, flags);
    }
}

/// Runs a program to its end, discarding its output.
pub(super) fn run(program: &str, arguments: &[&str]) -> io::Result<Spent> {
    let null = || std::fs::OpenOptions::new().write(true).open("/dev/null");
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(null()?)
        .stderr(null()?)
        .spawn()?;
    let pid = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both pointers are to writable memory of the right types, and all zeros are a valid
    // rusage. The child is ours and is waited for only here: `Child` does not wait when dropped.
    let (waited, usage) = unsafe {
        let waited = libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr());
        (waited, usage.assume_init())
    };
    if waited != pid {
        return Err(io::Error::last_os_error());
    }
    if status != 0 {
        return Err(io::Error::other(format!("{program} {arguments:?} ended with {status:#x}")));
    }
    Ok(Spent::of(&usage))
}
