//! What the reader must know before trusting the figures.

use serde::Serialize;

use crate::socket_diag::DumpOutcome;

/// A network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Namespace {
    /// Inode of its nsfs file; what `ls -l /proc/PID/ns/net` shows.
    pub inode: u64,
    /// Its name, where it has one under /run/netns.
    pub name: Option<String>,
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
    /// Connections whose service is that of their listener, without their own holder having been
    /// looked up.
    #[serde(skip_serializing_if = "is_zero")]
    pub owners_assumed: u64,
    /// Which sockets a recording was narrowed to when it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_filter: Option<String>,
}

impl Quality {
    /// Adds the result of a dump.
    pub(crate) fn add_dump(&mut self, outcome: &DumpOutcome) {
        self.dump_interrupted += outcome.interrupted;
        self.decode_errors += outcome.decode_errors + outcome.bad_attributes;
    }

    /// Adds the quality of another sample.
    pub(crate) fn add(&mut self, other: Self) {
        self.dump_interrupted += other.dump_interrupted;
        self.events_lost += other.events_lost;
        self.truncated_tcp_info += other.truncated_tcp_info;
        self.decode_errors += other.decode_errors;
        self.processes_hidden = self.processes_hidden.max(other.processes_hidden);
        self.owners_assumed += other.owners_assumed;
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

fn is_zero(count: &u64) -> bool {
    *count == 0
}
