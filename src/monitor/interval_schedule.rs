//! Which samples of a recording end intervals.

use std::time::Duration;

use super::pace::next_mark;
use crate::recording::Sample;

/// When intervals end, by the recording's clock.
#[derive(Debug)]
pub struct IntervalSchedule {
    /// `None`: with every sample that was not taken early.
    interval: Option<u64>,
    next: u64,
    /// The last interval ends then.
    end: Option<u64>,
    /// The most by which a sample may be early.
    slack: u64,
    over: bool,
}

impl IntervalSchedule {
    /// For intervals of this length, or of the recording's own, from its `first` sample on, for
    /// this long.
    pub fn new(interval: Option<Duration>, duration: Option<Duration>, first: &Sample) -> Self {
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let usual = first.host.interval_ns;
        // At the recording's own pace every sample ends an interval, however late it was taken.
        let least = usual.saturating_add(usual / 2);
        let interval = interval.map(nanoseconds).filter(|interval| *interval > least);
        let start = first.clocks.monotonic_ns;
        Self {
            interval,
            next: start.saturating_add(interval.unwrap_or(0)),
            end: duration.map(|duration| start.saturating_add(nanoseconds(duration))),
            slack: usual / 2,
            over: false,
        }
    }

    /// Whether the interval ends with this sample.
    pub fn ends_with(&mut self, sample: &Sample, is_last: bool) -> bool {
        let time = sample.clocks.monotonic_ns;
        let reached = |mark: u64| time.saturating_add(self.slack) >= mark && !sample.early;
        let at_end = self.end.is_some_and(reached);
        self.over |= at_end;
        let Some(interval) = self.interval else { return is_last || !sample.early };
        let due = reached(self.next);
        if due {
            self.next = next_mark(self.next, interval, time.saturating_add(interval / 2));
        }
        due || at_end || is_last
    }

    /// Whether the last interval has ended.
    pub fn is_over(&self) -> bool {
        self.over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::HostFacts;
    use crate::sys::Clocks;

    const MILLISECOND: u64 = 1_000_000;

    fn sample(milliseconds: u64, early: bool) -> Sample {
        let host = HostFacts { interval_ns: 1000 * MILLISECOND, ..HostFacts::default() };
        let monotonic_ns = 5_000_000_000 + milliseconds * MILLISECOND;
        let clocks = Clocks { realtime_ns: 0, monotonic_ns };
        Sample { host, clocks, early, ..Sample::default() }
    }

    /// The samples that end intervals.
    fn ends(interval: Option<u64>, duration: Option<u64>, samples: &[(u64, bool)]) -> Vec<u64> {
        let time = |seconds: Option<u64>| seconds.map(Duration::from_secs);
        let mut schedule = IntervalSchedule::new(time(interval), time(duration), &sample(0, false));
        let mut ends = Vec::new();
        for (at, &(milliseconds, early)) in samples.iter().enumerate() {
            let is_last = at + 1 == samples.len();
            if schedule.ends_with(&sample(milliseconds, early), is_last) {
                ends.push(milliseconds);
            }
            if schedule.is_over() {
                break;
            }
        }
        ends
    }

    #[test]
    fn samples_come_when_they_can() {
        let samples = [
            (990, false),
            (1500, true),
            (2030, false),
            (2999, false),
            (4100, false),
            (9000, false),
            (10_000, false),
            (10_500, true),
        ];
        let all = vec![990, 2030, 2999, 4100, 9000, 10_000, 10_500];
        assert_eq!(ends(None, None, &samples), all);
        assert_eq!(ends(Some(1), None, &samples), all);
        // After a pause it does not hurry to catch up.
        assert_eq!(ends(Some(2), None, &samples), [2030, 4100, 9000, 10_000, 10_500]);
        assert_eq!(ends(Some(3600), None, &samples), [10_500]);
        assert_eq!(ends(Some(3600), Some(4), &samples), [4100]);
        assert_eq!(ends(Some(3), Some(4), &samples), [2999, 4100]);
        assert_eq!(ends(None, Some(2), &samples), [990, 2030]);
    }
}
