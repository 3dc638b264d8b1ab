//! The document of `sysctl`.

use serde::Serialize;

use super::{Cost, Document, Quality};
use crate::settings::Conflict;

/// Schema of the whole document.
pub const SYSCTL: &str = "tcpdiag.sysctl/1";

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingRow {
    /// Name as in sysctl(8).
    pub name: &'static str,
    /// Its group.
    pub group: &'static str,
    /// `namespace` or `host`.
    pub scope: &'static str,
    /// The unit of its numbers.
    pub unit: &'static str,
    /// Value as the kernel prints it; absent if this kernel or namespace does not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The kernel's default; null if it depends on more than the kernel.
    pub default: Option<&'static str>,
    /// On what the default depends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub varies: Option<&'static str>,
    /// Whether the value differs from the default; null if there is no fixed default.
    pub changed: Option<bool>,
    /// The value in words, if the number is hard to read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readable: Option<String>,
    /// Why it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Its meaning.
    pub meaning: &'static str,
}

/// Current use of resources that the settings limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct UseRow {
    /// Memory of all TCP sockets of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Its limits: `tcp_mem` in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limits_bytes: Option<[u64; 3]>,
    /// Orphaned connections of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orphans: Option<u64>,
    /// TIME-WAIT entries of the namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_wait: Option<u64>,
    /// Listeners of the namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listeners: Option<usize>,
    /// The largest backlog among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub largest_backlog: Option<u64>,
}

/// The whole document.
#[derive(Debug, Serialize)]
pub struct SysctlDocument<'a> {
    /// The envelope.
    #[serde(flatten)]
    pub document: Document<'a>,
    /// Settings by group.
    pub settings: Vec<SettingRow>,
    /// Current use of what they limit.
    #[serde(rename = "use")]
    pub usage: UseRow,
    /// Contradictions.
    pub warnings: Vec<Conflict>,
    /// What limits its reliability.
    pub quality: Quality,
    /// The cost of collecting it.
    pub cost: Cost,
}
