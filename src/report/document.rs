//! The envelope around every JSON document.

use serde::Serialize;

use super::Namespace;
use crate::procfs::Host;
use crate::socket_diag::DumpOutcome;
use crate::sys::UsageSince;

/// What is said before the rows.
#[derive(Debug, Clone, Serialize)]
pub struct Document<'a> {
    /// `tcpdiag.<command>/<major>`.
    pub schema: &'a str,
    /// RFC 3339, nanoseconds, UTC.
    pub captured_at: String,
    /// The host.
    #[serde(serialize_with = "host")]
    pub host: &'a Host,
    /// The network namespace, when there is one for all rows.
    pub netns: Option<Namespace>,
    /// Seconds since the previous sample; null for the first.
    pub interval_s: Option<f64>,
}

fn host<S: serde::Serializer>(host: &&Host, serializer: S) -> Result<S::Ok, S::Error> {
    // A capture of others does not tell all of it.
    #[derive(Serialize)]
    struct Entry<'a> {
        hostname: Option<&'a str>,
        kernel: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        boot_id: Option<&'a str>,
    }
    Entry {
        hostname: known(&host.hostname),
        kernel: known(&host.kernel),
        boot_id: host.boot_id.as_deref(),
    }
    .serialize(serializer)
}

fn known(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// What the reader must know before trusting the rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Quality {
    /// Dumps under which the kernel's table changed, or of which it lost a part.
    pub dump_interrupted: u64,
    /// Destroy notifications that were lost.
    pub events_lost: u64,
    /// Sockets whose `tcp_info` was longer than could be kept.
    pub truncated_tcp_info: u64,
    /// Records that could not be read, or not all of whose attributes could.
    pub decode_errors: u64,
    /// Processes whose descriptors may not be read.
    pub processes_hidden: u64,
    /// What was left out for lack of privilege, and which capability brings it.
    pub permission_limited: Vec<String>,
    /// Which sockets a recording was narrowed to when it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_filter: Option<String>,
}

impl Quality {
    /// Adds what a dump came to.
    pub fn add_dump(&mut self, outcome: &DumpOutcome) {
        self.dump_interrupted += outcome.interrupted;
        self.decode_errors += outcome.decode_errors + outcome.bad_attributes;
    }

    /// Adds what is to be known of another sample.
    pub fn add(&mut self, other: Self) {
        self.dump_interrupted += other.dump_interrupted;
        self.events_lost += other.events_lost;
        self.truncated_tcp_info += other.truncated_tcp_info;
        self.decode_errors += other.decode_errors;
        self.processes_hidden = self.processes_hidden.max(other.processes_hidden);
        self.recorded_filter = other.recorded_filter.or(self.recorded_filter.take());
        for what in other.permission_limited {
            if !self.permission_limited.contains(&what) {
                self.permission_limited.push(what);
            }
        }
    }

    /// Whether something is missing.
    pub fn is_partial(&self) -> bool {
        let missing = self.dump_interrupted
            + self.events_lost
            + self.truncated_tcp_info
            + self.decode_errors
            + self.processes_hidden;
        missing > 0 || !self.permission_limited.is_empty()
    }
}

/// What a sample cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    /// Wall clock.
    pub wall_ms: f64,
    /// Processor time of this program.
    pub cpu_user_ms: f64,
    /// Processor time of the kernel on its behalf.
    pub cpu_sys_ms: f64,
    /// Records that the kernel sent.
    pub sockets_dumped: u64,
}

impl Cost {
    /// From the clocks and the dump.
    pub fn new(usage: UsageSince, sockets_dumped: u64) -> Self {
        let ms = |duration: std::time::Duration| duration.as_micros() as f64 / 1e3;
        Self {
            wall_ms: ms(usage.wall),
            cpu_user_ms: ms(usage.user),
            cpu_sys_ms: ms(usage.system),
            sockets_dumped,
        }
    }
}

/// The last line of a stream of rows.
#[derive(Debug, Serialize)]
pub struct RowEnd<'a> {
    /// `tcpdiag.<command>.end/<major>`.
    pub schema: &'a str,
    /// Rows written.
    pub shown: u64,
    /// See [`Quality`].
    pub quality: &'a Quality,
    /// See [`Cost`].
    pub cost: Cost,
}
