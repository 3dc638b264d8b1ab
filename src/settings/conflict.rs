//! Settings that contradict each other or their use.

use serde::Serialize;

use super::rules::RULES;
use super::values::Values;

/// Figures of the host and its sockets that settings are compared with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Use {
    /// Bytes per page of memory.
    pub page_size: u64,
    /// Pages used by TCP on the whole host.
    pub memory_pages: Option<u64>,
    /// Orphaned connections on the whole host.
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
    /// `warning`: has a cost now; `note`: may be intended.
    pub severity: &'static str,
    /// Full names of the settings involved.
    pub settings: Vec<&'static str>,
    /// The contradiction, with its numbers.
    pub text: String,
    /// What to do.
    pub advice: &'static str,
}

/// The advice for each kind of contradiction.
pub fn conflict_advice() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|rule| rule.advice)
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
