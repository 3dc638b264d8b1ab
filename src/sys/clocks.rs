//! The time of day and the time that never jumps, read together.

use rustix::time::{ClockId, Timespec, clock_gettime};
use serde::{Deserialize, Serialize};

/// One moment by two clocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// `CLOCK_REALTIME`: nanoseconds since 1970, as people set them.
    pub realtime_ns: u64,
    /// `CLOCK_MONOTONIC`: nanoseconds since some moment of this boot.
    pub monotonic_ns: u64,
}

impl Clocks {
    /// Now.
    pub fn now() -> Self {
        Self {
            realtime_ns: nanoseconds(clock_gettime(ClockId::Realtime)),
            monotonic_ns: nanoseconds(clock_gettime(ClockId::Monotonic)),
        }
    }
}

/// Before 1970 there is nothing.
fn nanoseconds(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec.unsigned_abs())
}
