//! What is normal for a counter.

use serde::{Deserialize, Serialize};

/// The healthy range of a counter's growth, and why it is that.
///
/// Only counters for which a range can be defended have one.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Healthy {
    /// Largest growth that is normal: a share of the growth of `of`, or without `of` a number
    /// per interval. 0 means that it should not grow at all.
    pub max: f64,
    /// The counter that `max` is a share of, in nstat's spelling.
    #[serde(default)]
    pub of: Option<String>,
    /// Why this is the limit.
    pub reason: String,
}
