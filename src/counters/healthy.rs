//! The normal range of a counter.

use serde::{Deserialize, Serialize};

use super::ratio::Ratio;

/// The healthy range of a counter's growth, with its reason. Counters without a reason for a range
/// have none. That of a counter in the numerator of a ratio is the ratio's; it is written nowhere
/// else.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Healthy {
    /// Largest normal growth: a share of the growth of `of`, or without `of` a number per interval. 0
    /// means that the counter should not grow.
    pub max: f64,
    /// The counters that `max` is a share of, in nstat's spelling and joined by ` + `.
    #[serde(default)]
    pub of: Option<String>,
    /// The ratio that it belongs to; absent if the catalogue of counters gives the range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<String>,
    /// Reason for the limit.
    pub reason: String,
}

impl Healthy {
    /// The range of the ratio that has a counter in its numerator, if a ratio with a threshold has.
    /// Of several the one with the fewest counters.
    pub(super) fn of_ratio(counter: &str) -> Option<Self> {
        let has =
            |ratio: &&Ratio| ratio.warn.is_some() && ratio.numerator.iter().any(|it| it == counter);
        let ratio = Ratio::all().iter().filter(has).min_by_key(|ratio| ratio.numerator.len())?;
        let max = ratio.warn?;
        Some(Self {
            max,
            of: (max > 0.0).then(|| ratio.denominator.join(" + ")),
            ratio: Some(ratio.id.clone()),
            reason: ratio.reason.clone().unwrap_or_default(),
        })
    }
}
