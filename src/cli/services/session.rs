//! What a run came to so far, and how it is told, whoever makes the polls.

use std::time::{Duration, Instant};

use super::ServicesCommand;
use super::output::{Output, Told};
use super::place::{Common, Place, Poll};
use super::sum::Sum;
use crate::cli::exit::say;
use crate::cli::scene::is_all;
use crate::procfs::Host;
use crate::report::{Basis, Polls, Quality};
use crate::sys::{Clocks, Usage};

/// A run.
pub(super) struct Session<'a> {
    pub(super) command: &'a ServicesCommand,
    pub(super) host: Host,
    pub(super) common: Common,
    pub(super) places: Vec<Place>,
    pub(super) output: Output<'a>,
    /// Of the interval that runs.
    pub(super) polls: Polls,
    /// Before anything was polled.
    no_polls: Polls,
    pub(super) usage: Usage,
    /// Of the whole run.
    whole: Sum,
    all_polls: Polls,
    pub(super) all_usage: Usage,
    /// The polls at which the run and the interval that runs began.
    began: Clocks,
    since: Clocks,
    /// A moment by both of its clocks.
    epoch: (Instant, Clocks),
    pub(super) intervals: u64,
}

impl<'a> Session<'a> {
    /// Begins with nothing; `polls` is how many there were before the first.
    pub(super) fn new(
        command: &'a ServicesCommand,
        host: Host,
        common: Common,
        output: Output<'a>,
        polls: Polls,
        now: Clocks,
    ) -> Self {
        Self {
            command,
            host,
            common,
            places: Vec::new(),
            output,
            polls,
            no_polls: polls,
            usage: Usage::now(),
            whole: Sum::default(),
            all_polls: polls,
            all_usage: Usage::now(),
            began: now,
            since: now,
            epoch: (Instant::now(), now),
            intervals: 0,
        }
    }

    /// A poll at this time.
    pub(super) fn poll_at(&self, at: Clocks, levels: bool) -> Poll {
        let (here, there) = self.epoch;
        Poll { at: here + between(there, at), levels, read: false }
    }

    /// The baseline was set, at this time; what it took is not what watching costs.
    pub(super) fn begin(&mut self, at: Clocks) {
        (self.began, self.since) = (at, at);
        (self.usage, self.all_usage) = (Usage::now(), Usage::now());
        self.say_deaf();
    }

    /// Says of which namespaces no events are heard any more, though they were asked for.
    pub(super) fn say_deaf(&mut self) {
        for reason in self.places.iter_mut().filter_map(|place| place.deaf.take()) {
            say(format_args!("tcpdiag: {reason}; short connections stay unseen from here on"));
        }
    }

    /// Shows what the interval came to that polls at this time ended, and begins the next one.
    pub(super) fn close_interval(&mut self, at: Clocks, hidden: &Quality) -> anyhow::Result<()> {
        let mut total = Sum::default();
        let mut sums = Vec::new();
        for place in &mut self.places {
            let mut sum = place.begin_interval();
            sum.quality.add(hidden.clone());
            total.add(&sum);
            sums.push((place.namespace.clone(), sum));
        }
        let used = self.usage.elapsed();
        self.usage = Usage::now();
        let told = Told {
            host: &self.host,
            names: &self.common.classifier,
            used,
            length: between(self.since, at),
            captured_at: at.realtime_ns,
            polls: self.polls,
            basis: Basis::Interval,
            many: self.is_of_many(),
        };
        self.output.begin()?;
        for (namespace, sum) in &sums {
            self.output.show(&told, Some(namespace), sum)?;
        }
        if self.is_of_many() {
            self.output.show(&told, None, &total)?;
        }
        self.output.end(&total)?;
        self.say_deaf();
        self.whole.follow(&total);
        self.all_polls.add(&self.polls);
        self.polls = self.no_polls;
        self.since = at;
        self.intervals += 1;
        Ok(())
    }

    /// Whether documents are of more than one namespace.
    pub(super) fn is_of_many(&self) -> bool {
        self.places.len() > 1 || is_all(&self.command.netns)
    }

    /// Shows the whole run; tells whether something was missing in it.
    pub(super) fn close(mut self, is_recording: bool) -> anyhow::Result<bool> {
        let told = Told {
            host: &self.host,
            names: &self.common.classifier,
            used: self.all_usage.elapsed(),
            length: between(self.began, self.since),
            captured_at: self.since.realtime_ns,
            polls: self.all_polls,
            basis: Basis::WholeRun,
            many: self.is_of_many(),
        };
        let namespace = match self.places.as_slice() {
            [place] if !self.is_of_many() => Some(&place.namespace),
            _ => None,
        };
        if self.intervals > 1 {
            self.output.show(&told, namespace, &self.whole)?;
            self.output.end(&self.whole)?;
        }
        if is_recording {
            self.output.close_recording(&told, self.intervals);
        } else {
            self.output.close(&told, self.intervals);
        }
        Ok(self.whole.quality.is_partial())
    }
}

/// How long it was from one moment to another.
fn between(one: Clocks, other: Clocks) -> Duration {
    Duration::from_nanos(other.monotonic_ns.saturating_sub(one.monotonic_ns))
}
