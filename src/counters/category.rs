//! A category of counters.

use serde::{Deserialize, Serialize};

/// What a group of counters is about. Defined in `catalogue/categories.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// Stable short name, as used in entries, filters and JSON: `retransmission`.
    pub id: String,
    /// Heading for people.
    pub title: String,
    /// One sentence on what is counted.
    pub about: String,
    /// What to look at first.
    pub watch: String,
}
