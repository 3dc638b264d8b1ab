//! What arguments of `diagnose` mean.

use anyhow::bail;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::diagnosis::{RULES, Severity, rule};
use crate::filter::Amount;
use crate::model::Unit;
use crate::output::escape;

/// Which rules of the registry are asked.
pub(super) fn asked(only: &[String], without: &[String]) -> anyhow::Result<Vec<bool>> {
    let find = |flag: &str, name: &String| match rule(name) {
        Some(rule) => Ok(rule.code),
        None => {
            let near = RULES
                .iter()
                .map(|rule| (strsim::damerau_levenshtein(&name.to_uppercase(), rule.code), rule))
                .min_by_key(|(distance, _)| *distance)
                .filter(|(distance, _)| *distance == 1);
            let hint = near.map_or_else(String::new, |(_, rule)| {
                format!("; did you mean {} ({})?", rule.code, rule.name)
            });
            bail!(
                "{flag} {}: there is no such rule; `tcpdiag explain --category rules` lists them{hint}",
                escape::text(name)
            )
        }
    };
    let only = only.iter().map(|name| find("--rule", name));
    let only = only.collect::<anyhow::Result<Vec<_>>>()?;
    let without = without.iter().map(|name| find("--without", name));
    let without = without.collect::<anyhow::Result<Vec<_>>>()?;
    let asked = RULES.iter().map(|rule| {
        (only.is_empty() || only.contains(&rule.code)) && !without.contains(&rule.code)
    });
    let asked: Vec<bool> = asked.collect();
    if !asked.contains(&true) {
        bail!("--without leaves out every rule that --rule names");
    }
    Ok(asked)
}

/// Bytes per second.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    let accepted = "a rate such as 10Gbit, 100Mbit or 50MB (per second)";
    match Amount::read(text, Unit::BytesPerSecond) {
        Ok(amount) => match amount {
            Amount::Integer(value) if value > 0 => Ok(value as f64),
            Amount::Real(value) if value.is_finite() && value > 0.0 => Ok(value),
            _ => Err(format!("`{text}` is no rate; accepted is {accepted}")),
        },
        Err(_) => Err(format!("`{text}` is no rate; accepted is {accepted}")),
    }
}

/// Severities by name.
pub(super) fn severity() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(Severity::ALL.map(Severity::name)).map(|name| {
        Severity::ALL.into_iter().find(|one| one.name() == name).unwrap_or(Severity::Info)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(only: &[&str], without: &[&str]) -> Option<usize> {
        let owned =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let asked = asked(&owned(only), &owned(without)).ok()?;
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

    #[test]
    fn rates() {
        assert_eq!(rate("10Gbit"), Ok(1.25e9));
        for bad in ["", "0", "-1", "fast", "10s"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }
}
