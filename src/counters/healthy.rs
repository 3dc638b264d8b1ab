//! The normal range of a counter.

use serde::{Deserialize, Serialize};

/// The healthy range of a counter's growth, with its reason. Counters without a reason for a range
/// have none.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Healthy {
    /// Largest normal growth: a share of the growth of `of`, or without `of` a number per interval. 0
    /// means that the counter should not grow.
    pub max: f64,
    /// The counter that `max` is a share of, in nstat's spelling.
    #[serde(default)]
    pub of: Option<String>,
    /// Reason for the limit.
    pub reason: String,
}
