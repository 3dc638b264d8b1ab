//! Repeating a sample.

use std::time::Duration;

use clap::Args;

use crate::monitor::Ticks;
pub(super) use crate::text::parse_interval as interval;

/// When to sample.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct RepeatArgs {
    /// Sample again after this time, e.g. 1 (second), 500ms, 2m; deltas and rates follow.
    #[arg(long, short = 'i', value_name = "TIME", value_parser = interval, help_heading = "Repeating")]
    pub(super) interval: Option<Duration>,

    /// End after this many samples, the first included.
    #[arg(long, value_name = "N", requires = "interval", value_parser = super::output::at_least_one, help_heading = "Repeating")]
    pub(super) count: Option<u64>,
}

impl RepeatArgs {
    /// Starts the clock.
    pub(super) fn ticks(&self) -> Ticks {
        Ticks::new(self.interval, self.count)
    }
}
