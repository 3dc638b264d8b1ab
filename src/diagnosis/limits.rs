//! The numbers that rules decide by.

use std::collections::BTreeMap;

use super::registry::RULES;

/// What the configuration file says wrong.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LimitsError {
    /// A code that is none.
    #[error("there is no rule {0:?}; `tcpdiag explain --category rules` lists them")]
    Rule(String),
    /// A rule without such a limit.
    #[error("rule {rule} has no limit {key:?}; it has {known}")]
    Key {
        /// The rule.
        rule: &'static str,
        /// What stands there.
        key: String,
        /// What there is.
        known: String,
    },
    /// A number that limits nothing.
    #[error("{rule}.{key}: a limit is a number of 0 or more")]
    Value {
        /// The rule.
        rule: &'static str,
        /// The limit.
        key: &'static str,
    },
}

/// The limits of all rules, in the order of the registry.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits(Vec<Vec<f64>>);

impl Default for Limits {
    fn default() -> Self {
        Self(
            RULES
                .iter()
                .map(|rule| rule.limits.iter().map(|limit| limit.value).collect())
                .collect(),
        )
    }
}

impl Limits {
    /// The usual ones, but for what is set here: by code, by name of the limit.
    ///
    /// # Errors
    /// For codes, names and numbers that are none.
    pub fn with(set: &BTreeMap<String, BTreeMap<String, f64>>) -> Result<Self, LimitsError> {
        let mut limits = Self::default();
        for (code, values) in set {
            let Some(place) = RULES.iter().position(|rule| rule.code.eq_ignore_ascii_case(code))
            else {
                return Err(LimitsError::Rule(code.clone()));
            };
            let (Some(rule), Some(own)) = (RULES.get(place), limits.0.get_mut(place)) else {
                continue;
            };
            for (key, &value) in values {
                let found = rule.limits.iter().zip(own.iter_mut());
                let Some((limit, own)) = found.into_iter().find(|(limit, _)| limit.key == key)
                else {
                    let known: Vec<&str> = rule.limits.iter().map(|limit| limit.key).collect();
                    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                    return Err(LimitsError::Key { rule: rule.code, key: key.clone(), known });
                };
                if !(value.is_finite() && value >= 0.0) {
                    return Err(LimitsError::Value { rule: rule.code, key: limit.key });
                }
                *own = value;
            }
        }
        Ok(limits)
    }

    /// Those of the rule at this place of the registry.
    pub fn of(&self, place: usize) -> &[f64] {
        self.0.get(place).map_or(&[], Vec::as_slice)
    }

    /// Those of a code.
    pub fn named(&self, code: &str) -> &[f64] {
        RULES.iter().position(|rule| rule.code == code).map_or(&[], |place| self.of(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(code: &str, key: &str, value: f64) -> Result<Limits, LimitsError> {
        let values = BTreeMap::from([(key.to_owned(), value)]);
        Limits::with(&BTreeMap::from([(code.to_owned(), values)]))
    }

    #[test]
    fn what_is_set_counts_and_what_is_wrong_is_said() {
        let limits = set("td101", "share", 0.75).unwrap();
        assert_eq!(limits.named("TD101").first(), Some(&0.75));
        assert_eq!(limits.named("TD102"), Limits::default().named("TD102"));
        assert_eq!(set("TD999", "share", 1.0), Err(LimitsError::Rule("TD999".to_owned())));
        assert!(matches!(set("TD101", "shore", 1.0), Err(LimitsError::Key { .. })));
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(set("TD101", "share", bad), Err(LimitsError::Value { .. })));
        }
    }
}
