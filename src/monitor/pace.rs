//! When samples are taken, and how fast those of a recording are shown.

use std::time::{Duration, Instant};

use crate::sys::Interrupt;

/// The clock of a repeated sample: ticks do not drift by what a sample takes.
#[derive(Debug)]
pub struct Ticks {
    interval: Option<Duration>,
    left: Option<u64>,
    next: Instant,
}

impl Ticks {
    /// Starts the clock for `count` samples, the first one included; without an interval there is
    /// one sample.
    pub fn new(interval: Option<Duration>, count: Option<u64>) -> Self {
        let left = if interval.is_some() { count } else { Some(1) };
        Self { interval, left, next: Instant::now() }
    }

    /// Restarts the clock at the first sample, taken just now.
    pub(super) fn restart(&mut self) {
        self.next = Instant::now();
    }

    /// Waits for the next tick after a sample. False when that was the last, or when the user
    /// asked to end.
    pub fn wait(&mut self, interrupt: &Interrupt) -> bool {
        self.left = self.left.map(|left| left - 1);
        let Some(interval) = self.interval.filter(|_| self.left != Some(0)) else { return false };
        // If the sample took longer than the interval, skip what was missed.
        self.next = (self.next + interval).max(Instant::now());
        !interrupt.sleep_until(self.next)
    }
}

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
        let next = passed.ok().and_then(|passed| here.checked_add(passed));
        next.is_some_and(|next| interrupt.sleep_until(next))
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
    fn speeds() {
        for (text, wanted) in [("1", 1.0), ("0.5", 0.5), ("60x", 60.0)] {
            assert!((parse_speed(text).unwrap() - wanted).abs() < 1e-9);
        }
        for text in ["0", "-1", "nan", "inf", "fast", ""] {
            assert!(parse_speed(text).unwrap_err().contains("accepted are"), "{text}");
        }
    }
}
