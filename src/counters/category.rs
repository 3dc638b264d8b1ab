//! A category of counters.

use serde::{Deserialize, Serialize};

/// A category of counters. Defined in `catalogue/categories.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// Stable short name, as used in entries, filters and JSON: `retransmission`.
    pub id: String,
    /// Heading.
    pub title: String,
    /// One sentence on what is counted.
    pub about: String,
    /// What to check first.
    pub watch: String,
}
