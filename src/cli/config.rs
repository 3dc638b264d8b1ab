//! The configuration file.
//!
//! `/etc/tcpdiag/config.toml` is of the host, `$XDG_CONFIG_HOME/tcpdiag/config.toml` (by default
//! `~/.config`) of the user, whose settings go before. `--config FILE` replaces both.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::attribution::Rules;
use crate::counters::{Ratio, Threshold};
use crate::diagnosis::Limits;
use crate::output::escape;

const OF_THE_HOST: &str = "/etc/tcpdiag/config.toml";

/// What can be configured.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    /// Thresholds of ratios, by id.
    #[serde(default)]
    thresholds: BTreeMap<String, Threshold>,
    /// Limits of rules, by code.
    #[serde(default)]
    diagnose: BTreeMap<String, BTreeMap<String, f64>>,
    /// Services that the user has named.
    #[serde(default, rename = "service")]
    pub(super) services: Rules,
}

impl Config {
    /// Reads `given`, or else the usual files where there are any.
    pub(super) fn load(given: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(path) = given {
            return Self::read(path)?
                .with_context(|| format!("--config {}: there is no such file", path.display()));
        }
        let mut config = Self::read(Path::new(OF_THE_HOST))?.unwrap_or_default();
        if let Some(path) = of_the_user() {
            config.override_with(Self::read(&path)?.unwrap_or_default());
        }
        Ok(config)
    }

    /// One file; `None` if it is not there.
    fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Ok(None);
            }
            Err(error) => bail!("cannot read {}: {error}", path.display()),
        };
        Self::parse(&text).with_context(|| path.display().to_string()).map(Some)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let line = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map(|before| format!("line {}: ", before.matches('\n').count() + 1));
            // One line: what is wrong, not the excerpt that comes with it.
            let message = error.message().replace('\n', " ");
            anyhow::anyhow!("{}{}", line.unwrap_or_default(), escape::text(&message))
        })?;
        for (id, threshold) in &config.thresholds {
            let Some(ratio) = Ratio::named(id) else {
                bail!("thresholds.{}: there is no such ratio{}", escape::text(id), nearest(id));
            };
            if let Some(fault) = threshold.or(ratio.threshold()).fault() {
                bail!("thresholds.{id}: {fault}");
            }
        }
        Limits::with(&config.diagnose)
            .map_err(|error| anyhow::anyhow!("diagnose: {}", escape::text(&error.to_string())))?;
        Ok(config)
    }

    /// The limits of rules: those that are configured, else their own.
    pub(super) fn limits(&self) -> Limits {
        // Held to be right when it was read.
        Limits::with(&self.diagnose).unwrap_or_default()
    }

    fn override_with(&mut self, mut user: Self) {
        for (id, threshold) in user.thresholds {
            let merged = threshold.or(self.thresholds.get(&id).copied().unwrap_or_default());
            self.thresholds.insert(id, merged);
        }
        for (code, limits) in user.diagnose {
            self.diagnose.entry(code.to_uppercase()).or_default().extend(limits);
        }
        // The first rule that matches counts.
        user.services.append(std::mem::take(&mut self.services));
        self.services = user.services;
    }

    /// The thresholds of a ratio: those that are configured, else its own.
    pub(super) fn threshold(&self, ratio: &Ratio) -> Threshold {
        self.thresholds.get(&ratio.id).copied().unwrap_or_default().or(ratio.threshold())
    }
}

fn nearest(id: &str) -> String {
    Ratio::all()
        .iter()
        .map(|ratio| (strsim::damerau_levenshtein(id, &ratio.id), &ratio.id))
        .min()
        .filter(|(distance, _)| *distance <= 4)
        .map_or_else(
            || "; `tcpdiag explain --category ratios` lists them".to_owned(),
            |(_, near)| format!("; did you mean `{near}`?"),
        )
}

fn of_the_user() -> Option<PathBuf> {
    let absolute =
        |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(home.join("tcpdiag/config.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        format!("{:#}", Config::parse(text).unwrap_err())
    }

    #[test]
    fn thresholds_are_overridden_one_by_one() {
        let ratio = Ratio::named("retransmission").unwrap();
        assert_eq!(Config::default().threshold(ratio), ratio.threshold());
        let mut config = Config::parse("[thresholds]\nretransmission = { warn = 0.02 }\n").unwrap();
        assert_eq!(config.threshold(ratio), Threshold { warn: Some(0.02), critical: Some(0.05) });
        let user = Config::parse("[thresholds]\nretransmission = { critical = 0.5 }\n").unwrap();
        config.override_with(user);
        assert_eq!(config.threshold(ratio), Threshold { warn: Some(0.02), critical: Some(0.5) });
    }

    #[test]
    fn the_users_services_go_before_the_hosts() {
        let service = |name: &str, port: u16| {
            Config::parse(&format!("[[service]]\nname = '{name}'\nport = {port}\n")).unwrap()
        };
        let mut config = service("host", 1);
        config.override_with(service("user", 2));
        let names: Vec<&str> = config.services.names().collect();
        assert_eq!(names, ["user", "host"]);
    }

    #[test]
    fn faults_name_the_key() {
        for (text, wanted) in [
            ("[threshold]\n", "line 1: unknown field `threshold`"),
            ("[thresholds]\nretransmision = {}\n", "did you mean `retransmission`?"),
            ("[[services]]\nname = 'a'\nport = 1\n", "line 1: unknown field `services`"),
            ("[[service]]\nname = 'a'\nports = 1\n", "unknown field `ports`"),
            ("[[service]]\nname = 'a'\n", "\"a\" says nothing to know it by"),
            ("[thresholds]\nretransmission = { wran = 1 }\n", "line 2: unknown field `wran`"),
            (
                "[thresholds]\nretransmission = { warn = 0.5 }\n",
                "thresholds.retransmission: warn must",
            ),
            ("[thresholds]\nretransmission = { warn = -1.0 }\n", "0 or more"),
            ("[thresholds]\nretransmission = { warn = nan }\n", "0 or more"),
            ("[thresholds]\nretransmission = 1\n", "line 2"),
            (
                "[diagnose]\nTD101 = { shore = 1.0 }\n",
                "rule TD101 has no limit \"shore\"; it has share",
            ),
            ("[diagnose]\nTD999 = { share = 1.0 }\n", "there is no rule \"TD999\""),
            ("[diagnose]\nTD101 = { share = -1.0 }\n", "TD101.share: a limit is"),
            ("[diagnose]\nTD101 = 3\n", "line 2"),
            ("thresholds = [\n", "line"),
            ("[thresholds]\n\"a\\u001b[2J\" = {}\n", "thresholds.a\\x1b[2J: there is no such"),
        ] {
            let said = fault(text);
            assert!(said.contains(wanted), "{text:?}: {said}");
            assert_eq!(said.lines().count(), 1, "{said:?}");
        }
    }
}
