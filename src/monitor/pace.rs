//! When samples are taken, and how fast those of a recording are shown.

use std::time::{Duration, Instant};

use crate::sys::Interrupt;

/// Lengths of time here are of `CLOCK_MONOTONIC`, as [`Instant`] has it: it runs on while the program
/// is stopped (SIGSTOP), and stands still while the host is suspended, as do the intervals between
/// samples.
///
/// The first mark after `mark`, a multiple of `interval` later, that is not before `least`.
pub(super) fn next_mark(mark: u64, interval: u64, least: u64) -> u64 {
    let next = mark.saturating_add(interval);
    if next >= least {
        return next;
    }
    let steps = (least - mark).div_ceil(interval.max(1));
    mark.saturating_add(steps.saturating_mul(interval)).max(least)
}

/// The tick after `tick` that ends the next interval, now that a sample which began at `last` is
/// done. Ticks that were missed are skipped. So is one less than half an interval after the
/// sample, which was late then: what it missed is not made up for in a short interval.
pub fn next_tick(tick: Instant, interval: Duration, last: Instant, now: Instant) -> Instant {
    let nanoseconds = |length: Duration| u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
    let least = (last + interval / 2).max(now).saturating_duration_since(tick);
    tick + Duration::from_nanos(next_mark(0, nanoseconds(interval), nanoseconds(least)))
}

/// The clock of a repeated sample: ticks do not drift by what a sample takes.
#[derive(Debug)]
pub struct Ticks {
    interval: Option<Duration>,
    left: Option<u64>,
    tick: Instant,
    /// When the last sample began.
    last: Instant,
}

impl Ticks {
    /// Starts the clock for `count` samples, the first one included; without an interval there is
    /// one sample.
    pub fn new(interval: Option<Duration>, count: Option<u64>) -> Self {
        let left = if interval.is_some() { count } else { Some(1) };
        let now = Instant::now();
        Self { interval, left, tick: now, last: now }
    }

    /// Restarts the clock at the first sample, taken just now.
    pub(super) fn restart(&mut self) {
        (self.tick, self.last) = (Instant::now(), Instant::now());
    }

    /// Waits for the next tick after a sample. False when that was the last, or when the user
    /// asked to end.
    pub fn wait(&mut self, interrupt: &Interrupt) -> bool {
        self.left = self.left.map(|left| left - 1);
        let Some(interval) = self.interval.filter(|_| self.left != Some(0)) else { return false };
        self.tick = next_tick(self.tick, interval, self.last, Instant::now());
        let asked = interrupt.sleep_until(self.tick);
        self.last = Instant::now();
        !asked
    }
}

/// A sample that is shown later than this is followed at the usual speed.
const LATE: Duration = Duration::from_millis(100);

/// How fast the samples of a recording are shown.
#[derive(Debug)]
pub struct Pace {
    /// How many times faster than they were recorded; `None` does not wait.
    speed: Option<f64>,
    /// When the first one was shown, and its monotonic clock.
    began: Option<(Instant, u64)>,
}

impl Pace {
    /// This many times faster than the samples were recorded; `None` does not wait.
    pub fn new(speed: Option<f64>) -> Self {
        Self { speed, began: None }
    }

    /// Starts with the first sample, which is shown now.
    pub fn start(&mut self, monotonic_ns: u64) {
        self.began = Some((Instant::now(), monotonic_ns));
    }

    /// Waits until a sample is due; true if the user asked to end meanwhile.
    pub fn wait(&mut self, monotonic_ns: u64, interrupt: &Interrupt) -> bool {
        let Some(speed) = self.speed else { return interrupt.is_asked() };
        let (here, there) = *self.began.get_or_insert((Instant::now(), monotonic_ns));
        let passed = Duration::from_nanos(monotonic_ns.saturating_sub(there));
        let passed = Duration::try_from_secs_f64(passed.as_secs_f64() / speed);
        let Some(next) = passed.ok().and_then(|passed| here.checked_add(passed)) else {
            return interrupt.is_asked();
        };
        let asked = interrupt.sleep_until(next);
        let late = next.elapsed();
        if late > LATE {
            // After a stall the samples go on at their speed; they do not catch up.
            self.began = here.checked_add(late).map(|here| (here, there));
        }
        asked
    }

    /// Whether a speed was given, so that a user may be watching.
    pub fn is_given(&self) -> bool {
        self.speed.is_some()
    }
}

/// How many times faster than it was recorded: `1`, `0.5`, `60x`.
///
/// # Errors
/// The accepted forms, if it is none of them.
pub fn parse_speed(text: &str) -> Result<f64, String> {
    let parsed = text.trim_end_matches(['x', '×']).parse::<f64>().ok();
    parsed
        .filter(|speed| (0.001..=1e6).contains(speed))
        .ok_or_else(|| format!("`{text}` is no speed; accepted are numbers such as 1, 0.5 or 60"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missed_is_not_made_up_for() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        // The tick before, when its sample began, when that was done, and the next tick.
        for (tick, last, now, next) in [
            (1000, 1000, 1005, 2000),
            (1000, 1000, 1999, 2000),
            (1000, 1000, 2000, 2000),
            // The sample took longer than the interval.
            (1000, 1000, 2300, 3000),
            // It began late, after a stall.
            (1000, 1499, 1500, 2000),
            (1000, 1995, 2000, 3000),
            (1000, 5400, 5401, 6000),
            (1000, 5995, 6000, 7000),
            (1000, 6000, 6005, 7000),
        ] {
            let found = next_tick(at(tick), Duration::from_secs(1), at(last), at(now));
            assert_eq!(found, at(next), "{tick} {last} {now}");
        }
        assert_eq!(next_mark(5, 0, 9), 9);
        assert_eq!(next_mark(5, u64::MAX, 9), u64::MAX);
        assert_eq!(next_mark(0, 2, u64::MAX), u64::MAX);
    }

    #[test]
    fn a_replay_goes_on_at_its_speed_after_a_stall() {
        let interrupt = Interrupt::install().unwrap();
        let mut pace = Pace::new(Some(10.0));
        pace.start(0);
        std::thread::sleep(Duration::from_millis(300));
        // A second of the recording takes a tenth of one.
        assert!(!pace.wait(1_000_000_000, &interrupt));
        let shown = Instant::now();
        assert!(!pace.wait(2_000_000_000, &interrupt));
        assert!(shown.elapsed() >= Duration::from_millis(90), "{:?}", shown.elapsed());
    }

    #[test]
    fn speeds() {
        for (text, wanted) in [("1", 1.0), ("0.5", 0.5), ("60x", 60.0)] {
            assert!((parse_speed(text).unwrap() - wanted).abs() < 1e-9);
        }
        for text in ["0", "-1", "nan", "inf", "fast", ""] {
            assert!(parse_speed(text).unwrap_err().contains("accepted are"), "{text}");
        }
    }
}
