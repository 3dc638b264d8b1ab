//! When the samples of a recording were taken, by both clocks, and where the wall clock was set.

use super::clock_step::ClockStep;
use super::mark::Mark;
use crate::sys::Clocks;

/// The most stretches. A recording may claim that the clock was set before every sample.
pub(super) const MOST_STRETCHES: usize = 4096;

/// A part of a recording in which the wall clock was not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    first: Clocks,
    last: Clocks,
}

/// The times of a recording.
#[derive(Debug, Clone, Default)]
pub(super) struct Timeline {
    stretches: Vec<Stretch>,
    /// The order is that of the wall clock, for want of another one.
    by_wall: bool,
    /// The usual time between two samples: the last one stands for as long.
    pub(super) interval: u64,
}

/// Where a time of the wall clock is among the samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TimePosition {
    /// Once, or several times because the wall clock was set back.
    Recorded(Vec<Mark>),
    /// The wall clock was set forward past it.
    Between(Mark),
    /// Before the first sample.
    Before,
    /// After the last one.
    After,
    /// The wall clock never showed it, and it was set back past it.
    Never,
}

impl Timeline {
    /// Without samples; `by_wall` if the monotonic clocks of samples cannot be compared.
    pub(super) fn new(by_wall: bool) -> Self {
        Self { by_wall, ..Self::default() }
    }

    /// Says whether samples have no monotonic clock, as in a capture by another program.
    pub(super) fn order_by_wall(&mut self, by_wall: bool) {
        self.by_wall |= by_wall;
    }

    /// Adds a sample that follows the ones before. One that began no later by the monotonic clock
    /// is in the file before too.
    pub(super) fn add(&mut self, clocks: Clocks) {
        let is_full = self.stretches.len() == MOST_STRETCHES;
        let Some(stretch) = self.stretches.last_mut() else {
            self.stretches.push(Stretch { first: clocks, last: clocks });
            return;
        };
        // A recording without a monotonic clock.
        self.by_wall |= clocks.monotonic_ns == 0 && stretch.last.monotonic_ns == 0;
        if self.by_wall {
            if clocks.realtime_ns < stretch.first.realtime_ns {
                stretch.first = clocks;
            } else if clocks.realtime_ns > stretch.last.realtime_ns {
                stretch.last = clocks;
            }
        } else if clocks.monotonic_ns > stretch.last.monotonic_ns {
            match ClockStep::between(stretch.last, clocks) {
                Some(_) if !is_full => {
                    self.stretches.push(Stretch { first: clocks, last: clocks });
                }
                _ => stretch.last = clocks,
            }
        }
    }

    /// Whether the order is that of the wall clock.
    pub(super) fn is_by_wall(&self) -> bool {
        self.by_wall
    }

    /// When the first sample began.
    pub(super) fn first(&self) -> Option<Clocks> {
        self.stretches.first().map(|stretch| stretch.first)
    }

    /// When the last sample began.
    pub(super) fn last(&self) -> Option<Clocks> {
        self.stretches.last().map(|stretch| stretch.last)
    }

    /// Where the wall clock was set.
    pub(super) fn steps(&self) -> impl Iterator<Item = ClockStep> {
        let next = self.stretches.iter().skip(1);
        let pairs = self.stretches.iter().zip(next);
        pairs.map(|(one, other)| ClockStep { before: one.last, after: other.first })
    }

    /// The times of the wall clock that samples have, from and to.
    pub(super) fn ranges(&self) -> Vec<(u64, u64)> {
        let range = |stretch: &Stretch| (stretch.first.realtime_ns, stretch.last.realtime_ns);
        self.stretches.iter().map(range).collect()
    }

    /// Where a time of the wall clock is.
    pub(super) fn position(&self, time: u64) -> TimePosition {
        let mut found = Vec::new();
        let mut skipped = None;
        for (at, stretch) in self.stretches.iter().enumerate() {
            let next = self.stretches.get(at + 1).map(|next| next.first);
            // Up to the next stretch by the clock of this one.
            let rest = next.map_or(self.interval.saturating_add(1), |next| {
                next.monotonic_ns.saturating_sub(stretch.last.monotonic_ns)
            });
            let ends = stretch.last.realtime_ns.saturating_add(rest);
            let mark = self.mark(time, stretch, next);
            if time >= stretch.first.realtime_ns && time < ends {
                found.push(mark);
            } else if time >= ends && next.is_some_and(|next| time < next.realtime_ns) {
                skipped = Some(mark);
            }
        }
        let all = |test: &dyn Fn(&Stretch) -> bool| self.stretches.iter().all(test);
        match skipped {
            _ if !found.is_empty() => TimePosition::Recorded(found),
            Some(mark) => TimePosition::Between(mark),
            None if all(&|stretch| time < stretch.first.realtime_ns) => TimePosition::Before,
            None if all(&|stretch| time > stretch.last.realtime_ns) => TimePosition::After,
            None => TimePosition::Never,
        }
    }

    /// The mark of a time in a stretch, up to the next one.
    fn mark(&self, time: u64, stretch: &Stretch, next: Option<Clocks>) -> Mark {
        if self.by_wall {
            return Mark::wall(time);
        }
        let Clocks { realtime_ns, monotonic_ns } = stretch.first;
        let ends = next.map_or(u64::MAX, |next| next.monotonic_ns);
        let passed = time.saturating_sub(realtime_ns);
        Mark {
            realtime_ns: time,
            monotonic_ns: monotonic_ns.saturating_add(passed).min(ends.saturating_sub(1)),
            stretch: Some((monotonic_ns, ends)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clocks(realtime_ns: u64, monotonic_ns: u64) -> Clocks {
        const SECOND: u64 = 1_000_000_000;
        Clocks { realtime_ns: realtime_ns * SECOND, monotonic_ns: monotonic_ns * SECOND }
    }

    /// The seconds of samples, by the wall clock; one is taken each second.
    fn timeline(walls: &[u64]) -> Timeline {
        let mut timeline = Timeline { interval: 1_000_000_000, ..Timeline::new(false) };
        walls.iter().zip(5..).for_each(|(wall, monotonic)| timeline.add(clocks(*wall, monotonic)));
        timeline
    }

    /// The monotonic seconds at which a time occurs.
    fn at(timeline: &Timeline, second: u64) -> Result<Vec<u64>, TimePosition> {
        match timeline.position(second * 1_000_000_000) {
            TimePosition::Recorded(marks) => {
                Ok(marks.iter().map(|mark| mark.monotonic_ns / 1_000_000_000).collect())
            }
            position => Err(position),
        }
    }

    #[test]
    fn a_clock_that_is_set_back_shows_times_twice() {
        // 103 and 104 occur twice.
        let timeline = timeline(&[100, 101, 102, 103, 104, 103, 104, 105, 106]);
        assert_eq!(timeline.steps().count(), 1);
        assert_eq!(timeline.ranges().len(), 2);
        for (second, expected) in [
            (100, vec![5]),
            (102, vec![7]),
            (103, vec![8, 10]),
            (104, vec![9, 11]),
            (105, vec![12]),
        ] {
            assert_eq!(at(&timeline, second), Ok(expected), "{second}");
        }
        // The last sample stands for one interval.
        assert_eq!(at(&timeline, 107), Ok(vec![14]));
        assert_eq!(at(&timeline, 108), Err(TimePosition::After));
        assert_eq!(at(&timeline, 99), Err(TimePosition::Before));
    }

    #[test]
    fn a_clock_that_is_set_forward_skips_times() {
        let timeline = timeline(&[100, 101, 200, 201]);
        assert_eq!(at(&timeline, 101), Ok(vec![6]));
        assert_eq!(at(&timeline, 200), Ok(vec![7]));
        let Err(TimePosition::Between(mark)) = at(&timeline, 150) else { panic!() };
        assert!(mark.is_after(clocks(101, 6)) && mark.is_before(clocks(200, 7)));
    }

    #[test]
    fn a_clock_that_was_far_ahead_never_showed_what_is_between() {
        let timeline = timeline(&[9000, 9001, 100, 101]);
        assert_eq!(at(&timeline, 9001), Ok(vec![6]));
        assert_eq!(at(&timeline, 101), Ok(vec![8]));
        assert_eq!(at(&timeline, 5000), Err(TimePosition::Never));
        assert_eq!(at(&timeline, 99), Err(TimePosition::Before));
        assert_eq!(at(&timeline, 9500), Err(TimePosition::After));
        let step = timeline.steps().next().unwrap();
        assert_eq!(step.by_ns(), -8_902_000_000_000);
    }

    #[test]
    fn samples_of_two_files_count_once_and_others_have_only_a_wall_clock() {
        let mut timeline = timeline(&[100, 101, 102]);
        timeline.add(clocks(500, 6));
        assert_eq!(timeline.ranges().len(), 1);
        let mut timeline = Timeline::new(true);
        for second in [100, 90, 110] {
            timeline.add(clocks(second, second));
        }
        assert_eq!(timeline.ranges(), [(90_000_000_000, 110_000_000_000)]);
        assert_eq!(timeline.steps().count(), 0);
        // Nor does one that only says 0.
        let mut timeline = Timeline::new(false);
        for second in [100, 101, 102] {
            timeline.add(clocks(second, 0));
        }
        assert!(timeline.is_by_wall());
        assert_eq!(timeline.ranges(), [(100_000_000_000, 102_000_000_000)]);
    }
}
