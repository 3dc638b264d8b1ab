//! The document of `sysctl`.

use serde::Serialize;

use super::{Cost, Document, Quality};
use crate::settings::Conflict;

/// Schema of the whole document.
pub const SYSCTL: &str = "tcpdiag.sysctl/1";

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingRow {
    /// As sysctl(8) has it.
    pub name: &'static str,
    /// What it is about.
    pub group: &'static str,
    /// `namespace` or `host`.
    pub scope: &'static str,
    /// Of its numbers.
    pub unit: &'static str,
    /// As the kernel prints it; absent where this kernel or namespace does not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The kernel's default; null where it depends on more than the kernel.
    pub default: Option<&'static str>,
    /// What the default depends on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub varies: Option<&'static str>,
    /// Whether the value is not the default; null where there is no fixed one.
    pub changed: Option<bool>,
    /// In words, where the number alone is hard to read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readable: Option<String>,
    /// Why it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What it does.
    pub meaning: &'static str,
}

/// What TCP uses of what the settings limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct UseRow {
    /// Memory of all TCP sockets of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Where it is limited: `tcp_mem` in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limits_bytes: Option<[u64; 3]>,
    /// Connections without a program, of the host.
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
    /// What they limit.
    #[serde(rename = "use")]
    pub usage: UseRow,
    /// What contradicts.
    pub warnings: Vec<Conflict>,
    /// What to know before trusting it.
    pub quality: Quality,
    /// What it cost.
    pub cost: Cost,
}
