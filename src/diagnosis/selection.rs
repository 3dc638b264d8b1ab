//! Which rules are asked.

use super::registry::{RULES, rule};
use crate::text::nearest;

/// A rule that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownRule {
    /// One that was asked for or left out.
    #[error(
        "{flag} {}: there is no such rule; `tcpdiag explain --category rules` lists them{}",
        name.escape_debug(), near.as_ref().map_or_else(String::new, hint)
    )]
    Name {
        /// What it was named with.
        flag: &'static str,
        /// As it was given.
        name: String,
        /// The rule that was perhaps meant.
        near: Option<String>,
    },
    /// None is left.
    #[error("--without leaves out every rule that --rule names")]
    None,
}

fn hint(near: &String) -> String {
    format!("; did you mean {near}?")
}

/// Whether each rule of [`RULES`] applies: all or those of `only`, and none of `without`.
///
/// # Errors
/// When a rule does not exist, or none is left.
pub fn selected_rules(only: &[String], without: &[String]) -> Result<Vec<bool>, UnknownRule> {
    let find = |flag: &'static str, names: &[String]| -> Result<Vec<&str>, UnknownRule> {
        let found = names.iter().map(|name| {
            rule(name).map(|rule| rule.code).ok_or_else(|| {
                let names = RULES.iter().flat_map(|rule| [rule.code, rule.name]);
                let near = nearest(name, names).and_then(rule);
                let near = near.map(|near| format!("{} ({})", near.code, near.name));
                UnknownRule::Name { flag, name: name.clone(), near }
            })
        });
        found.collect()
    };
    let (only, without) = (find("--rule", only)?, find("--without", without)?);
    let asked = RULES.iter().map(|rule| {
        (only.is_empty() || only.contains(&rule.code)) && !without.contains(&rule.code)
    });
    let asked: Vec<bool> = asked.collect();
    if asked.contains(&true) { Ok(asked) } else { Err(UnknownRule::None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(only: &[&str], without: &[&str]) -> Option<usize> {
        let owned =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let asked = selected_rules(&owned(only), &owned(without)).ok()?;
        Some(asked.into_iter().filter(|asked| *asked).count())
    }

    #[test]
    fn rules_by_code_and_name() {
        assert_eq!(count(&[], &[]), Some(RULES.len()));
        assert_eq!(count(&["TD101", "td102", "loss"], &[]), Some(3));
        assert_eq!(count(&[], &["TD104"]), Some(RULES.len() - 1));
        assert_eq!(count(&["TD101"], &["TD101"]), None);
        assert_eq!(count(&["TD1"], &[]), None);
    }
}
