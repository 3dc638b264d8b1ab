//! Values that contradict each other, or what they are used for.

use serde::Serialize;

use super::rules::RULES;
use super::values::Values;

/// What of the host and its sockets the settings are held against.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Use {
    /// Bytes of a page of memory.
    pub page_size: u64,
    /// Pages that TCP uses, of the whole host.
    pub memory_pages: Option<u64>,
    /// Connections without a program, of the whole host.
    pub orphans: Option<u64>,
    /// TIME-WAIT entries of the namespace.
    pub time_wait: Option<u64>,
    /// Port and backlog of each listener.
    pub listeners: Vec<(u16, u64)>,
}

/// A contradiction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// Stable name.
    pub id: &'static str,
    /// `warning`: costs something now; `note`: may be meant so.
    pub severity: &'static str,
    /// Settings it is about, by their full names.
    pub settings: Vec<&'static str>,
    /// What contradicts what, with the numbers.
    pub text: String,
    /// What to do.
    pub advice: &'static str,
}

/// Every contradiction, warnings first.
pub fn conflicts(values: &Values, usage: &Use) -> Vec<Conflict> {
    let mut found: Vec<Conflict> = RULES
        .iter()
        .filter_map(|rule| {
            Some(Conflict {
                id: rule.id,
                severity: if rule.warning { "warning" } else { "note" },
                settings: rule.settings.to_vec(),
                text: (rule.check)(values, usage)?,
                advice: rule.advice,
            })
        })
        .collect();
    found.sort_by_key(|conflict| conflict.severity == "note");
    found
}
