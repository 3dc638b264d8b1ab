//! The numbers that rules decide by, and how the configuration file sets them.

use std::collections::BTreeMap;

use super::registry::{RULES, RuleLimits};
use crate::counters::Ratio;

/// What the configuration file gets wrong.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LimitsError {
    /// A code that no rule has.
    #[error("there is no rule {0:?}; `tcpdiag explain --category rules` lists them")]
    Rule(String),
    /// A key that is not a limit of the rule.
    #[error("rule {rule} has no limit {key:?}; it has {known}")]
    Key {
        /// The rule.
        rule: &'static str,
        /// The key in the file.
        key: String,
        /// The keys that the rule has.
        known: String,
    },
    /// A value that cannot be a limit.
    #[error("{rule}.{key}: a limit is a number of 0 or more")]
    Value {
        /// The rule.
        rule: &'static str,
        /// The limit.
        key: &'static str,
    },
}

/// The documentation of one limit.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Its name in the configuration file.
    pub key: &'static str,
    /// Gives the value where the configuration sets none.
    pub default: fn() -> f64,
    /// The value's unit.
    pub unit: &'static str,
    /// What it decides.
    pub meaning: &'static str,
}

impl Limit {
    /// The value where the configuration sets none.
    pub fn value(&self) -> f64 {
        (self.default)()
    }
}

/// The rate in bytes per second from which a connection is fast: 1 Gbit/s. Something always limits
/// a rate, and there it is no finding that has to be acted on.
pub(super) const FAST: f64 = 125e6;

/// The threshold above which a ratio of counters is a warning: the limit of a rule that judges the
/// same share of a connection. Infinite for ratios without one.
pub(super) fn warn_above(ratio: &str) -> f64 {
    Ratio::named(ratio).and_then(|ratio| ratio.warn).unwrap_or(f64::INFINITY)
}

/// The same for the threshold from which it is critical.
pub(super) fn critical_above(ratio: &str) -> f64 {
    Ratio::named(ratio).and_then(|ratio| ratio.critical).unwrap_or(f64::INFINITY)
}

/// Declares the limits of a rule: `key: default, "unit", "meaning";` for each.
///
/// Makes a struct `Limits` with one field per limit. `Limits::LIST` documents the limits,
/// `Limits::default()` holds the defaults, `Limits::get_mut()` finds a limit by its key. A judge
/// that reads a limit that is not declared does not compile.
macro_rules! limits {
    ($($key:ident: $value:expr, $unit:literal, $meaning:literal;)*) => {
        /// The limits of this rule.
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub(in crate::diagnosis) struct Limits {
            $(#[doc = $meaning] pub(in crate::diagnosis) $key: f64,)*
        }

        impl Limits {
            /// Their documentation.
            pub(in crate::diagnosis) const LIST: &'static [crate::diagnosis::Limit] = &[
                $(crate::diagnosis::Limit {
                    key: stringify!($key),
                    default: || $value,
                    unit: $unit,
                    meaning: $meaning,
                },)*
            ];

            /// The limit with this key.
            pub(in crate::diagnosis) fn get_mut(&mut self, key: &str) -> Option<&mut f64> {
                match key {
                    $(stringify!($key) => Some(&mut self.$key),)*
                    _ => None,
                }
            }
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($key: $value,)* }
            }
        }
    };
}

pub(super) use limits;

impl RuleLimits {
    /// The share of the segments sent below which rare events are no trouble, which `stats` goes by
    /// too.
    pub fn rare_events(&self) -> f64 {
        self.counter_verdict.rare
    }

    /// The defaults, with the values that the configuration sets: by code, then by key.
    ///
    /// # Errors
    /// Unknown codes, unknown keys, and values that are negative or not finite.
    pub fn with(set: &BTreeMap<String, BTreeMap<String, f64>>) -> Result<Self, LimitsError> {
        let mut limits = Self::default();
        for (code, values) in set {
            let rule = RULES.iter().find(|rule| rule.code.eq_ignore_ascii_case(code));
            let rule = rule.ok_or_else(|| LimitsError::Rule(code.clone()))?;
            for (key, &value) in values {
                let documented = rule.limits.iter().find(|limit| limit.key == key);
                let (Some(documented), Some(limit)) = (documented, limits.get_mut(rule.code, key))
                else {
                    let known: Vec<&str> = rule.limits.iter().map(|limit| limit.key).collect();
                    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                    return Err(LimitsError::Key { rule: rule.code, key: key.clone(), known });
                };
                if !(value.is_finite() && value >= 0.0) {
                    return Err(LimitsError::Value { rule: rule.code, key: documented.key });
                }
                *limit = value;
            }
        }
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(code: &str, key: &str, value: f64) -> Result<RuleLimits, LimitsError> {
        let values = BTreeMap::from([(key.to_owned(), value)]);
        RuleLimits::with(&BTreeMap::from([(code.to_owned(), values)]))
    }

    #[test]
    fn configured_values_replace_defaults_and_errors_are_reported() {
        let limits = set("td101", "share", 0.75).unwrap();
        assert_eq!(limits.receiver_window.share, 0.75);
        assert_eq!(limits.send_buffer, RuleLimits::default().send_buffer);
        assert_eq!(set("TD999", "share", 1.0), Err(LimitsError::Rule("TD999".to_owned())));
        let unknown = set("TD101", "shore", 1.0).unwrap_err();
        let text = "rule TD101 has no limit \"shore\"; it has share, busy, closed, fast";
        assert_eq!(unknown.to_string(), text);
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(set("TD101", "share", bad), Err(LimitsError::Value { .. })));
        }
    }

    #[test]
    fn every_documented_limit_has_its_default_and_can_be_set() {
        for rule in RULES {
            let mut defaults = RuleLimits::default();
            for limit in rule.limits {
                let value = defaults.get_mut(rule.code, limit.key).copied();
                assert_eq!(value, Some(limit.value()), "{}.{}", rule.code, limit.key);
                let mut changed = set(rule.code, limit.key, limit.value() + 1.0).unwrap();
                let value = changed.get_mut(rule.code, limit.key).copied();
                assert_eq!(value, Some(limit.value() + 1.0), "{}.{}", rule.code, limit.key);
            }
        }
    }

    /// Rules that judge the share of a ratio go by its threshold.
    #[test]
    fn limits_of_the_same_share_are_those_of_the_ratio() {
        for (code, key, ratio) in [
            ("TD113", "share", "lost_retransmits"),
            ("TD114", "share", "spurious_retransmits"),
            ("TD115", "share", "reordering"),
        ] {
            let ratio = Ratio::named(ratio).unwrap();
            let limit = RuleLimits::default().get_mut(code, key).copied();
            assert_eq!(limit, ratio.warn, "{code}.{key}");
        }
        let share = RuleLimits::default().listener_drops.share;
        assert_eq!(Some(share), Ratio::named("listen_drops").unwrap().critical);
    }

    /// A number in a text would be a second place for it: texts name the limit instead.
    #[test]
    fn texts_do_not_repeat_limits() {
        let in_words = [
            (0.5, "half"),
            (0.5, "50 %"),
            (0.01, "one percent"),
            (0.01, "1 %"),
            (0.02, "2 %"),
            (0.001, "one in a thousand"),
            (0.0001, "one in ten thousand"),
            (2.0, "two"),
            (3.0, "three"),
            (5.0, "five"),
            (10.0, "ten"),
            (20.0, "twenty"),
            (FAST, "1 Gbit/s"),
            (1_048_576.0, "a megabyte"),
        ];
        let mut repeated = Vec::new();
        for rule in RULES {
            for limit in rule.limits {
                let words = in_words.iter().filter(|(value, _)| *value == limit.value());
                for (_, word) in words {
                    let text = format!(" {} ", rule.guards.replace(['.', ',', ':', ';'], " "));
                    // The text of TD110 is about to change.
                    if rule.code != "TD110" && text.contains(&format!(" {word} ")) {
                        repeated.push(format!("{}.{}: {word}", rule.code, limit.key));
                    }
                }
            }
        }
        assert!(repeated.is_empty(), "{repeated:#?}");
    }

    /// Rules without limits have an empty struct.
    mod none {
        super::super::limits! {}

        #[test]
        fn a_rule_may_have_no_limits() {
            assert!(Limits::LIST.is_empty());
            assert_eq!(Limits::default().get_mut("share"), None);
        }
    }
}
