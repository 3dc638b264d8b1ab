//! Changes of the wall clock during a recording.

use serde::{Deserialize, Serialize};

use crate::sys::Clocks;

/// Both clocks run at the same rate, also while NTP adjusts it (`timekeeping_adjust`, Linux 6.12),
/// so what they differ by changes with steps only. The clocks of a sample are read one after the
/// other, which may take some milliseconds on a busy host.
const TOLERANCE: u64 = 100_000_000;

/// A change of the wall clock between two samples: it was set, or the host was suspended, which the
/// monotonic clock does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockStep {
    /// When the last sample before it began.
    pub before: Clocks,
    /// When the first sample after it began.
    pub after: Clocks,
}

impl ClockStep {
    /// The step between two samples that follow each other, if there was one.
    pub fn between(before: Clocks, after: Clocks) -> Option<Self> {
        let step = Self { before, after };
        let went_back = after.realtime_ns < before.realtime_ns;
        (went_back || step.by_ns().unsigned_abs() > TOLERANCE).then_some(step)
    }

    /// By how much the wall clock moved more than the monotonic one, in nanoseconds; negative if it
    /// was set back.
    pub fn by_ns(&self) -> i64 {
        let moved =
            |of: fn(&Clocks) -> u64| i128::from(of(&self.after)) - i128::from(of(&self.before));
        let by = moved(|clocks| clocks.realtime_ns) - moved(|clocks| clocks.monotonic_ns);
        i64::try_from(by).unwrap_or(if by < 0 { i64::MIN } else { i64::MAX })
    }
}

/// Finds the steps between samples that follow each other.
#[derive(Debug, Clone, Default)]
pub(crate) struct StepWatch {
    last: Option<Clocks>,
}

impl StepWatch {
    /// The step between the sample before and this one.
    pub(crate) fn next(&mut self, clocks: Clocks) -> Option<ClockStep> {
        let before = self.last.replace(clocks)?;
        ClockStep::between(before, clocks)
    }
}

/// The monotonic clock of samples as they are read. Where they have none, or it does not advance,
/// time passes by the wall clock, and never goes back.
#[derive(Debug, Default)]
pub(super) struct SteadyClock {
    last: Option<(Clocks, u64)>,
    /// Samples that began no later than the one before, by the clock that they are ordered by.
    pub(super) unordered: u64,
}

impl SteadyClock {
    /// The monotonic time of the next sample; `interval` is the usual time between two.
    pub(super) fn next(&mut self, clocks: Clocks, interval: u64) -> u64 {
        let steady = self.last.map_or(clocks.monotonic_ns, |(before, steady)| {
            let later = |of: fn(&Clocks) -> u64| {
                of(&clocks).checked_sub(of(&before)).filter(|passed| *passed > 0)
            };
            let passed = later(|clocks| clocks.monotonic_ns).unwrap_or_else(|| {
                self.unordered += 1;
                later(|clocks| clocks.realtime_ns).unwrap_or(interval)
            });
            steady.saturating_add(passed)
        });
        self.last = Some((clocks, steady));
        steady
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn clocks(realtime: u64, monotonic: u64) -> Clocks {
        Clocks { realtime_ns: realtime * SECOND, monotonic_ns: monotonic * SECOND }
    }

    #[test]
    fn steps_are_what_the_clocks_differ_by() {
        for (after, by) in [
            (clocks(1001, 11), None),
            (clocks(1100, 110), None),
            (clocks(1002, 11), Some(1)),
            (clocks(999, 11), Some(-2)),
            (clocks(1000, 11), Some(-1)),
            (clocks(1000 + 86_400, 11), Some(86_399)),
        ] {
            let step = ClockStep::between(clocks(1000, 10), after);
            let found = step.map(|step| step.by_ns() / SECOND as i64);
            assert_eq!(found, by, "{after:?}");
        }
        // What reading the clocks takes is no step, but time that goes back always is.
        let late = Clocks { realtime_ns: 1001 * SECOND, monotonic_ns: 11 * SECOND + 50_000_000 };
        assert_eq!(ClockStep::between(clocks(1000, 10), late), None);
        let soon = Clocks { realtime_ns: 1000 * SECOND - 1, monotonic_ns: 10 * SECOND + 1 };
        assert!(ClockStep::between(clocks(1000, 10), soon).is_some());
        let extreme = ClockStep { before: clocks(0, 0), after: clocks(u64::MAX / SECOND, 0) };
        assert_eq!(extreme.by_ns(), i64::MAX);
    }

    #[test]
    fn without_a_monotonic_clock_time_passes_by_the_wall_clock() {
        let mut clock = SteadyClock::default();
        let times = [(10, 5), (11, 6), (4, 7)].map(|(wall, monotonic)| clocks(wall, monotonic));
        assert_eq!(times.map(|time| clock.next(time, SECOND) / SECOND), [5, 6, 7]);
        assert_eq!(clock.unordered, 0);
        let mut clock = SteadyClock::default();
        let times = [(10, 0), (13, 0), (4, 0), (6, 0)].map(|(wall, _)| clocks(wall, 0));
        assert_eq!(times.map(|time| clock.next(time, SECOND) / SECOND), [0, 3, 4, 6]);
        assert_eq!(clock.unordered, 3);
    }
}
