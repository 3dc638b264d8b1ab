//! The realtime and the monotonic clock, read together.

use rustix::time::{ClockId, Timespec, clock_gettime};
use serde::{Deserialize, Serialize};

/// One point in time on two clocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// `CLOCK_REALTIME`: nanoseconds since 1970; the clock can be set.
    pub realtime_ns: u64,
    /// `CLOCK_MONOTONIC`: nanoseconds since some point of this boot.
    pub monotonic_ns: u64,
}

impl Clocks {
    /// Reads both.
    pub fn now() -> Self {
        Self {
            realtime_ns: nanoseconds(clock_gettime(ClockId::Realtime)),
            monotonic_ns: nanoseconds(clock_gettime(ClockId::Monotonic)),
        }
    }
}

/// Times before 1970 count as 1970.
fn nanoseconds(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec.unsigned_abs())
}
