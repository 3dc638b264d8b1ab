//! The document of `explain`.

use serde::Serialize;

use super::{AdviceEntry, Quality};
use crate::counters::{Healthy, Twin};
use crate::diagnosis::{Advice, Limit, Rule};

/// Schema of the whole document.
pub const EXPLAIN: &str = "tcpdiag.explain/1";

/// One explanation. Fields that do not apply to its kind are absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub struct Explanation {
    /// Its name.
    pub name: String,
    /// `counter`, `ratio`, `field`, `column`, `state`, `timer`, `setting`, `rule`.
    pub kind: &'static str,
    /// Its category.
    pub category: String,
    /// Other names for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// How its value behaves: `counter`, `gauge`, `clock`, `code`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub movement: Option<&'static str>,
    /// The unit of its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// `namespace` or `host`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<&'static str>,
    /// Its meaning.
    pub meaning: String,
    /// What makes it move in the kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
    /// What growth, or this state, suggests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggests: Option<String>,
    /// What to check next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// The healthy range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy: Option<Healthy>,
    /// The related fields of sockets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub twin: Option<Twin>,
    /// Its formula, or where the value comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The kernel's default, or the thresholds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// The first kernel that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The first kernel without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Its name in later kernels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renamed_to: Option<String>,
    /// Further parts of a rule's page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<RulePage>,
    /// Its value in a recording, if one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Recorded>,
}

/// The parts that only rules have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RulePage {
    /// The name, words joined by hyphens.
    pub name: &'static str,
    /// Its statement about the subject.
    pub title: &'static str,
    /// `connection`, `listener`, `service`, `host`.
    pub scope: &'static str,
    /// The evidence it uses.
    pub evidence: &'static str,
    /// False alarms it guards against.
    pub guards: &'static str,
    /// The side that can observe it.
    pub seen_from: &'static str,
    /// What to check on the other side.
    pub other_side: &'static str,
    /// What to do; a finding fills in the words in angle brackets.
    pub advice: Vec<AdviceEntry>,
    /// RFCs and kernel functions.
    pub references: &'static [&'static str],
    /// Codes of rules that replace its finding if they report the same subject.
    pub explained_by: &'static [&'static str],
    /// Its limits.
    pub limits: Vec<LimitEntry>,
}

/// A limit that the configuration file can set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LimitEntry {
    /// Its name.
    pub key: &'static str,
    /// The value that applies: what the configuration sets, else the default.
    pub value: f64,
    /// Its default.
    pub default: f64,
    /// The file that sets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_in: Option<String>,
    /// The unit.
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
            value: one.value(),
            default: one.value(),
            set_in: None,
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

/// The value of a counter or setting at one time of a recording.
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
    /// A counter's value.
    Number(i64),
    /// A setting's value, as the kernel prints it.
    Text(String),
}

/// The whole document. It has no envelope, because it depends on no host or time.
#[derive(Debug, Serialize)]
pub struct ExplainDocument<'a> {
    /// See [`EXPLAIN`].
    pub schema: &'static str,
    /// The entries, in the order requested.
    pub entries: &'a [&'a Explanation],
    /// What could not be read of a recording, if one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
}
