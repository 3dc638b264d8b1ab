//! The realtime and the monotonic clock, read together.

use rustix::time::{ClockId, Timespec, clock_gettime};
use serde::{Deserialize, Serialize};

/// One point in time on two clocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// `CLOCK_REALTIME`: nanoseconds since 1970; the clock can be set.
    pub realtime_ns: u64,
    /// `CLOCK_MONOTONIC`: nanoseconds since some point of this boot, without the time in which the
    /// host was suspended; 0 where a recording does not have it.
    #[serde(default)]
    pub monotonic_ns: u64,
}

/// Readings of the two clocks that are further apart are repeated.
const APART: u64 = 1_000_000;

/// How often they are.
const TRIES: usize = 3;

impl Clocks {
    /// Reads both. What they differ by shows when the wall clock is set, so they should be of one
    /// point in time; a process may be stopped between the two.
    pub fn now() -> Self {
        let monotonic = || nanoseconds(clock_gettime(ClockId::Monotonic));
        let mut closest = (u64::MAX, Self::default());
        for _ in 0..TRIES {
            let before = monotonic();
            let realtime_ns = nanoseconds(clock_gettime(ClockId::Realtime));
            let monotonic_ns = monotonic();
            let apart = monotonic_ns.saturating_sub(before);
            if apart < closest.0 {
                closest = (apart, Self { realtime_ns, monotonic_ns });
            }
            if apart <= APART {
                break;
            }
        }
        closest.1
    }
}

/// Times before 1970 count as 1970.
fn nanoseconds(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec.unsigned_abs())
}
