//! The document of `explain`.

use serde::Serialize;

use crate::counters::{Healthy, Twin};

/// Schema of the whole document.
pub const EXPLAIN: &str = "tcpdiag.explain/1";

/// One thing explained. What does not apply to its kind is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub struct Explanation {
    /// Its name.
    pub name: String,
    /// `counter`, `ratio`, `field`, `column`, `state`, `timer`, `setting`.
    pub kind: &'static str,
    /// What it belongs to.
    pub category: String,
    /// Other names for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// `counter`, `gauge`, `clock`, `code`: how its value moves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub movement: Option<&'static str>,
    /// Of its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// `namespace` or `host`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<&'static str>,
    /// What it is.
    pub meaning: String,
    /// What in the kernel makes it move.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// What growth, or being in that state, suggests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggests: Option<String>,
    /// What to look at next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// What is normal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy: Option<Healthy>,
    /// What sockets know of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub twin: Option<Twin>,
    /// How it is worked out, or where it is found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The kernel's default, or the thresholds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// First kernel that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// First kernel that has it no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Its name from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renamed_to: Option<String>,
    /// What it was in a recording, where one is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Recorded>,
}

/// What a counter or setting was at a moment of a recording.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recorded {
    /// RFC 3339, nanoseconds, UTC.
    pub captured_at: String,
    /// Inode of the network namespace.
    pub netns: u64,
    /// A counter's number, or a setting's text.
    pub value: RecordedValue,
}

/// A value of a recording.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum RecordedValue {
    /// Of a counter.
    Number(i64),
    /// Of a setting, as the kernel prints it.
    Text(String),
}

/// The whole document. It is of no host and no moment, so it has no envelope.
#[derive(Debug, Serialize)]
pub struct ExplainDocument<'a> {
    /// See [`EXPLAIN`].
    pub schema: &'static str,
    /// In the order in which they were asked for.
    pub entries: &'a [&'a Explanation],
}
