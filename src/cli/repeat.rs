//! Repeating a sample.

use std::time::{Duration, Instant};

use clap::Args;
use jiff::SignedDuration;

use crate::sys::Interrupt;

/// When to sample.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct RepeatArgs {
    /// Sample again after this time, e.g. 1s, 500ms, 2m; deltas and rates follow.
    #[arg(long, short = 'i', value_name = "TIME", value_parser = interval, help_heading = "Repeating")]
    pub(super) interval: Option<Duration>,

    /// End after this many samples, the first included.
    #[arg(long, value_name = "N", requires = "interval", value_parser = super::output::at_least_one, help_heading = "Repeating")]
    pub(super) count: Option<u64>,
}

/// Shorter than this the tool would be its own trouble.
const SHORTEST: Duration = Duration::from_millis(10);

/// A year. Added to a point in time much more would overflow.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

pub(super) fn interval(text: &str) -> Result<Duration, String> {
    let accepted = "a time such as 500ms, 1s, 1.5s or 2m, at least 10ms";
    let parsed: SignedDuration =
        text.parse().map_err(|_| format!("`{text}` is no time; accepted is {accepted}"))?;
    // Less than nothing is too short as well.
    let duration = Duration::try_from(parsed).unwrap_or_default();
    if duration < SHORTEST {
        return Err(format!("`{text}` is too short; accepted is {accepted}"));
    }
    if duration > LONGEST {
        return Err(format!("`{text}` is too long; accepted is {accepted}, and at most a year"));
    }
    Ok(duration)
}

/// The clock of a repeated sample: ticks do not drift by what a sample takes.
#[derive(Debug)]
pub(super) struct Ticks {
    interval: Option<Duration>,
    left: Option<u64>,
    next: Instant,
}

impl RepeatArgs {
    /// Starts the clock.
    pub(super) fn ticks(&self) -> Ticks {
        let left = if self.interval.is_some() { self.count } else { Some(1) };
        Ticks { interval: self.interval, left, next: Instant::now() }
    }
}

impl Ticks {
    /// Waits for the next tick after a sample. False when that was the last, or
    /// when the user asked to end.
    pub(super) fn wait(&mut self, interrupt: &Interrupt) -> bool {
        self.left = self.left.map(|left| left - 1);
        let Some(interval) = self.interval.filter(|_| self.left != Some(0)) else { return false };
        self.next += interval;
        let now = Instant::now();
        if self.next < now {
            // The sample took longer than the interval: skip what was missed.
            self.next = now;
        }
        !interrupt.sleep_until(self.next)
    }
}
