//! The processor time that this process has used.
#![allow(unsafe_code, reason = "getrusage(2) is in no safe library of the tree")]

use std::time::{Duration, Instant};

/// A point in time, and the processor time used up to it.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    at: Instant,
    user: Duration,
    system: Duration,
}

/// What was used between two points in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageSince {
    /// Wall clock.
    pub wall: Duration,
    /// Processor time in this program.
    pub user: Duration,
    /// Processor time in the kernel on behalf of it.
    pub system: Duration,
}

impl Usage {
    /// Reads the current values.
    pub fn now() -> Self {
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
        // SAFETY: the pointer is to a writable rusage, and all-zero bytes are a
        // valid one, so that it is initialised whatever the call does. It cannot
        // fail for RUSAGE_SELF with a valid pointer (getrusage(2)).
        let usage = unsafe {
            libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
            usage.assume_init()
        };
        Self {
            at: Instant::now(),
            user: duration(usage.ru_utime),
            system: duration(usage.ru_stime),
        }
    }

    /// What was used since then.
    pub fn elapsed(&self) -> UsageSince {
        let now = Self::now();
        UsageSince {
            wall: now.at.saturating_duration_since(self.at),
            user: now.user.saturating_sub(self.user),
            system: now.system.saturating_sub(self.system),
        }
    }
}

fn duration(time: libc::timeval) -> Duration {
    Duration::from_secs(time.tv_sec.max(0) as u64)
        + Duration::from_micros(time.tv_usec.max(0) as u64)
}
