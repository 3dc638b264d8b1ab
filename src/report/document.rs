//! The envelope around every JSON document.

use serde::Serialize;

use crate::monitor::{Namespace, Quality};
use crate::procfs::Host;
use crate::sys::UsageSince;

/// The fields before the rows.
#[derive(Debug, Clone, Serialize)]
pub struct Document<'a> {
    /// `tcpdiag.<command>/<major>`.
    pub schema: &'a str,
    /// RFC 3339, nanoseconds, UTC.
    pub captured_at: String,
    /// The host.
    #[serde(serialize_with = "host")]
    pub host: &'a Host,
    /// The network namespace, if all rows have the same.
    pub netns: Option<Namespace>,
    /// Seconds since the previous sample; null for the first.
    pub interval_s: Option<f64>,
}

fn host<S: serde::Serializer>(host: &&Host, serializer: S) -> Result<S::Ok, S::Error> {
    // Captures by other programs lack some of it.
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

/// What a sample cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    /// Wall-clock time.
    pub wall_ms: f64,
    /// Processor time of this program.
    pub cpu_user_ms: f64,
    /// Processor time of the kernel for this program.
    pub cpu_sys_ms: f64,
    /// Records sent by the kernel.
    pub sockets_dumped: u64,
}

impl Cost {
    /// From the measured usage and the number of records.
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
