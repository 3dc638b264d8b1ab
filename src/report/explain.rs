//! The document of `explain`.

use serde::Serialize;

use super::AdviceEntry;
use crate::counters::{Healthy, Twin};
use crate::diagnosis::{Advice, Limit, Rule};

/// Schema of the whole document.
pub const EXPLAIN: &str = "tcpdiag.explain/1";

/// One thing explained. What does not apply to its kind is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub struct Explanation {
    /// Its name.
    pub name: String,
    /// `counter`, `ratio`, `field`, `column`, `state`, `timer`, `setting`, `rule`.
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
    /// What else there is to say of a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<RulePage>,
    /// What it was in a recording, where one is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Recorded>,
}

/// A rule's own page.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RulePage {
    /// In words with hyphens.
    pub name: &'static str,
    /// What it says of its subjects.
    pub title: &'static str,
    /// `connection`, `listener`, `service`, `host`.
    pub scope: &'static str,
    /// What it goes by.
    pub evidence: &'static str,
    /// What it must not be taken in by.
    pub guards: &'static str,
    /// Which side can see it.
    pub seen_from: &'static str,
    /// What to look at on the other side.
    pub other_side: &'static str,
    /// What to do; words in angle brackets are filled in by a finding.
    pub advice: Vec<AdviceEntry>,
    /// RFCs and functions of the kernel.
    pub references: &'static [&'static str],
    /// Codes of rules that speak instead where they see the same subject.
    pub explained_by: &'static [&'static str],
    /// What it decides by.
    pub limits: Vec<LimitEntry>,
}

/// A number that the configuration file may set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LimitEntry {
    /// Its name.
    pub key: &'static str,
    /// What it is when nobody sets it.
    pub value: f64,
    /// Of the value.
    pub unit: &'static str,
    /// What it decides.
    pub meaning: &'static str,
}

impl RulePage {
    /// The page of a rule.
    pub fn of(rule: &Rule) -> Self {
        let plain = |text: &str| text.replace('{', "<").replace('}', ">");
        let advice =
            |one: &Advice| AdviceEntry { text: plain(one.text), command: one.command.map(plain) };
        let limit = |one: &Limit| LimitEntry {
            key: one.key,
            value: one.value,
            unit: one.unit,
            meaning: one.meaning,
        };
        Self {
            name: rule.name,
            title: rule.title,
            scope: rule.scope.name(),
            evidence: rule.evidence,
            guards: rule.guards,
            seen_from: rule.seen_from,
            other_side: rule.other_side,
            advice: rule.advice.iter().map(advice).collect(),
            references: rule.references,
            explained_by: rule.explained_by,
            limits: rule.limits.iter().map(limit).collect(),
        }
    }
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
