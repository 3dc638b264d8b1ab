//! What the reader must know before trusting the figures.

use serde::Serialize;

use crate::counters::{Counters, Fault, FileFault, Release, file_of};
use crate::recording::{ClockStep, Sample, full_time};
use crate::settings::{Values, is_setting};
use crate::socket_diag::DumpOutcome;

/// A network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Namespace {
    /// Inode of its nsfs file; what `ls -l /proc/PID/ns/net` shows.
    pub inode: u64,
    /// Its name, where it has one under /run/netns.
    pub name: Option<String>,
}

/// A file that could not be read whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnreadFile {
    /// Its path on a live host.
    pub file: String,
    /// What was wrong with it.
    pub fault: Fault,
    /// How many readings of it had this fault.
    pub readings: u64,
}

/// A change of the wall clock of the recorded host between two samples: it was set, or the host was
/// suspended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct WallClockStep {
    /// The time of the last sample before it: RFC 3339, nanoseconds, UTC.
    pub before: String,
    /// The time of the first sample after it.
    pub after: String,
    /// By how many nanoseconds the clock moved more than the time that passed; negative if it was
    /// set back.
    pub by_ns: i64,
}

impl From<&ClockStep> for WallClockStep {
    fn from(step: &ClockStep) -> Self {
        Self {
            before: full_time(step.before.realtime_ns),
            after: full_time(step.after.realtime_ns),
            by_ns: step.by_ns(),
        }
    }
}

/// What could not be read, and other limits of the figures. All zero and empty if nothing is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Quality {
    /// Dumps during which the kernel's table changed (`NLM_F_DUMP_INTR`), or that lost records:
    /// sockets may be missing or double.
    pub dump_interrupted: u64,
    /// Destroy events that were lost because the receive buffer was full (`ENOBUFS`).
    pub events_lost: u64,
    /// Sockets whose `tcp_info` was longer than could be kept.
    pub truncated_tcp_info: u64,
    /// Records that could not be read, or only in part.
    pub decode_errors: u64,
    /// Processes whose descriptors may not be read (ptrace access mode, hidepid, Landlock).
    pub processes_hidden: u64,
    /// What was left out for lack of privilege, and which capability would show it: a sentence for
    /// each.
    pub permission_limited: Vec<String>,
    /// Readings of files of counters, devices, processors or connection tracking that were missing,
    /// empty or not whole. What such a file shows is unknown, and not zero.
    #[serde(skip_serializing_if = "is_zero")]
    pub counters_unread: u64,
    /// Kernel settings that could not be read.
    #[serde(skip_serializing_if = "is_zero")]
    pub settings_unread: u64,
    /// The files of both.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files_unread: Vec<UnreadFile>,
    /// Connections whose service is that of their listener, without their own holder having been
    /// looked up.
    #[serde(skip_serializing_if = "is_zero")]
    pub owners_assumed: u64,
    /// Netlink datagrams that other processes sent to this program's sockets, and that were
    /// discarded. A flood of them may displace destroy events.
    #[serde(skip_serializing_if = "is_zero")]
    pub foreign_datagrams: u64,
    /// Which sockets a recording was narrowed to when it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_filter: Option<String>,
    /// Where the wall clock of a recorded host was set. Samples are ordered by its monotonic clock.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clock_steps: Vec<WallClockStep>,
}

impl Quality {
    /// Adds the result of a dump.
    pub(crate) fn add_dump(&mut self, outcome: &DumpOutcome) {
        self.dump_interrupted += outcome.interrupted;
        self.decode_errors += outcome.decode_errors + outcome.bad_attributes;
        self.foreign_datagrams += outcome.foreign;
    }

    /// Adds what could not be read of the counters.
    pub(crate) fn add_counters(&mut self, counters: &Counters) {
        self.add_faults(counters.faults());
    }

    /// Adds files of counters that could not be read whole.
    pub(crate) fn add_faults(&mut self, faults: &[FileFault]) {
        for fault in faults {
            self.counters_unread += 1;
            self.add_unread(UnreadFile { file: fault.path(), fault: fault.fault, readings: 1 });
        }
    }

    /// Adds the settings that could not be read.
    pub(crate) fn add_settings(&mut self, values: &Values, kernel: Option<Release>) {
        for (file, fault) in values.unread(kernel) {
            self.add_setting(file, fault);
        }
    }

    /// Adds a setting that could not be read.
    pub(crate) fn add_setting(&mut self, file: String, fault: Fault) {
        self.add_unread(UnreadFile { file, fault, readings: 1 });
    }

    fn add_unread(&mut self, unread: UnreadFile) {
        let is_same =
            |known: &&mut UnreadFile| (&known.file, known.fault) == (&unread.file, unread.fault);
        match self.files_unread.iter_mut().find(is_same) {
            Some(known) => known.readings += unread.readings,
            None => {
                self.settings_unread += u64::from(is_setting(&unread.file));
                self.files_unread.push(unread);
            }
        }
    }

    /// A sentence for each file that could not be read whole; of settings, for the first few.
    pub fn unread_files(&self) -> Vec<String> {
        /// Nearly always all or none of them are missing.
        const FEW: usize = 3;
        let sentence = |it: &UnreadFile| format!("{} {}", it.file, it.fault.sentence());
        let counters = self.files_unread.iter().filter(|it| !is_setting(&it.file)).map(sentence);
        let settings = || self.files_unread.iter().filter(|it| is_setting(&it.file));
        let mut sentences: Vec<String> =
            counters.chain(settings().take(FEW).map(sentence)).collect();
        match settings().count().saturating_sub(FEW) {
            0 => {}
            more => sentences.push(format!("{more} more settings could not be read")),
        }
        sentences
    }

    /// Whether the file that shows a counter could not be read whole at some time.
    pub fn is_unread(&self, counter: &str) -> bool {
        let file = format!("/proc/net/{}", file_of(counter));
        self.files_unread.iter().any(|unread| unread.file == file)
    }

    /// Adds the quality of another sample.
    pub(crate) fn add(&mut self, other: Self) {
        self.dump_interrupted += other.dump_interrupted;
        self.events_lost += other.events_lost;
        self.truncated_tcp_info += other.truncated_tcp_info;
        self.decode_errors += other.decode_errors;
        self.processes_hidden = self.processes_hidden.max(other.processes_hidden);
        self.counters_unread += other.counters_unread;
        other.files_unread.into_iter().for_each(|unread| self.add_unread(unread));
        self.owners_assumed += other.owners_assumed;
        self.foreign_datagrams += other.foreign_datagrams;
        self.recorded_filter = other.recorded_filter.or(self.recorded_filter.take());
        for step in other.clock_steps {
            if !self.clock_steps.contains(&step) {
                self.clock_steps.push(step);
            }
        }
        for what in other.permission_limited {
            if !self.permission_limited.contains(&what) {
                self.permission_limited.push(what);
            }
        }
    }

    /// Adds where the wall clock was set before a sample, as far as it was not told before.
    pub(crate) fn take_clock_steps(&mut self, sample: &mut Sample) {
        self.clock_steps.extend(sample.clock_steps.drain(..).map(|step| (&step).into()));
    }

    /// Whether something is missing.
    pub fn is_partial(&self) -> bool {
        let missing = self.dump_interrupted
            + self.events_lost
            + self.truncated_tcp_info
            + self.decode_errors
            + self.processes_hidden
            + self.counters_unread
            + self.settings_unread;
        missing > 0 || !self.permission_limited.is_empty()
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}
