//! Ratios of counters with thresholds.
//!
//! This is also the format of `ratios.toml`: a field here is a key there.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::verdict::Threshold;

const TEXT: &str = include_str!("ratios.toml");

/// A ratio, its thresholds and the advice.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Ratio {
    /// Stable name, as in the configuration file.
    pub id: String,
    /// Title.
    pub title: String,
    /// Category of counters it belongs to.
    pub category: String,
    /// Counters to add up, in nstat's spelling.
    pub numerator: Vec<String>,
    /// Counters to add up; [`ELAPSED_MS`](Self::ELAPSED_MS) for the time.
    pub denominator: Vec<String>,
    /// Smallest denominator for a verdict.
    pub least: u64,
    /// Fewest events for a verdict with a smaller denominator: such a share is judged if it is
    /// above a threshold beyond chance. Without it there is no verdict.
    #[serde(default)]
    pub least_events: Option<u64>,
    /// It is a share of rare events: few events among the segments sent are no trouble.
    #[serde(default)]
    pub of_rare: bool,
    /// Above this the verdict is a warning.
    #[serde(default)]
    pub warn: Option<f64>,
    /// Above this the verdict is critical.
    #[serde(default)]
    pub critical: Option<f64>,
    /// Reason for the thresholds.
    #[serde(default)]
    pub reason: Option<String>,
    /// What it is a share of, and what that means.
    pub meaning: String,
    /// Advice, in one line.
    pub advice: String,
    /// A command that shows more, if there is one.
    #[serde(default)]
    pub command: Option<String>,
}

#[derive(Deserialize)]
struct File {
    ratio: Vec<Ratio>,
}

impl Ratio {
    /// Events as a share of the segments sent, below which they are no trouble where
    /// [`of_rare`](Self::of_rare) is set, unless the configuration sets another.
    pub const RARE: f64 = 0.001;

    /// The length of the interval in milliseconds.
    pub const ELAPSED_MS: &str = "elapsed_ms";

    /// All ratios, in the order of the output.
    pub fn all() -> &'static [Self] {
        static ALL: OnceLock<Vec<Ratio>> = OnceLock::new();
        // Part of the program, and parsed by a test: never empty.
        ALL.get_or_init(|| toml::from_str::<File>(TEXT).map(|file| file.ratio).unwrap_or_default())
    }

    /// The ratio of this id.
    pub fn named(id: &str) -> Option<&'static Self> {
        Self::all().iter().find(|ratio| ratio.id == id)
    }

    /// The default thresholds.
    pub fn threshold(&self) -> Threshold {
        Threshold { warn: self.warn, critical: self.critical }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::Catalogue;

    #[test]
    fn the_table_is_complete() {
        let parsed = toml::from_str::<File>(TEXT).map(|file| file.ratio.len());
        assert_eq!(parsed.ok(), Some(Ratio::all().len()));
        let mut ids: Vec<&str> = Ratio::all().iter().map(|ratio| ratio.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), Ratio::all().len());
        for ratio in Ratio::all() {
            let id = &ratio.id;
            let catalogue = Catalogue::builtin();
            assert!(catalogue.category(&ratio.category).is_some(), "{id}: {}", ratio.category);
            for name in ratio.numerator.iter().chain(&ratio.denominator) {
                let known = catalogue.entry(name).is_some() || name == Ratio::ELAPSED_MS;
                assert!(known, "{id}: {name}");
            }
            assert!(!ratio.numerator.is_empty() && !ratio.denominator.is_empty(), "{id}");
            assert!(ratio.least > 0, "{id} would divide by 0");
            assert!(ratio.meaning.ends_with('.'), "{id}");
            assert!(!ratio.advice.contains('\n') && ratio.advice.len() < 140, "{id}");
            // A command in the text would be wrapped.
            let named =
                ["tcpdiag ", "sysctl ", "ip route"].iter().any(|it| ratio.advice.contains(it));
            assert!(!named && ratio.advice.ends_with('.'), "{id}: {}", ratio.advice);
            assert!(ratio.title.len() <= 28, "{id}: {}", ratio.title);
            assert_eq!(ratio.warn.is_some(), ratio.reason.is_some(), "{id}");
            assert_eq!(ratio.threshold().fault(), None, "{id}");
        }
    }
}
