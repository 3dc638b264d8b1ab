//! The configuration file.
//!
//! `/etc/tcpdiag/config.toml` applies to the host, `$XDG_CONFIG_HOME/tcpdiag/config.toml` (by
//! default `~/.config`) to the user and takes precedence. `--config FILE` replaces both, as does
//! the file that the variable `TCPDIAG_CONFIG` names.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::counters::{Ratio, Threshold};
use crate::diagnosis::RuleLimits;
use crate::identity::Rules;
use crate::procfs::HostNames;
use crate::sys::{RegularFileError, read_regular_text};
use crate::text::{self, escape};

const HOST_FILE: &str = "/etc/tcpdiag/config.toml";
const VARIABLE: &str = "TCPDIAG_CONFIG";

/// A thousand services take 100 kB.
const LARGEST: u64 = 4 << 20;

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file that was named does not exist.
    #[error("{by} {}: there is no such file", path.display())]
    Missing {
        /// By which argument or variable.
        by: &'static str,
        /// Which.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {why}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        why: RegularFileError,
    },
    /// Something in a file is wrong.
    #[error("{}: {why}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What.
        why: String,
    },
}

/// The configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Thresholds of ratios, by id.
    #[serde(default)]
    thresholds: BTreeMap<String, Threshold>,
    /// Limits of rules, by code.
    #[serde(default)]
    diagnose: BTreeMap<String, BTreeMap<String, f64>>,
    /// Arguments that a command has always, by command.
    #[serde(default)]
    pub defaults: BTreeMap<String, Vec<String>>,
    /// Commands with arguments, by the name that the user gave them.
    #[serde(default)]
    pub alias: BTreeMap<String, Vec<String>>,
    /// Services defined by the user.
    #[serde(default, rename = "service")]
    pub services: Rules,
    /// Names of hosts and networks.
    #[serde(default, deserialize_with = "host_names")]
    pub hosts: HostNames,
    /// Usual files that this user may not read, and why.
    #[serde(skip)]
    pub unreadable: Vec<String>,
    /// The file that sets each threshold and each limit, by ratio or code in upper case, and key,
    /// and each of `defaults` and `alias`.
    #[serde(skip)]
    set_in: BTreeMap<(String, String), PathBuf>,
}

impl Config {
    /// Reads `given`, or else the file that `TCPDIAG_CONFIG` names, or else the usual files if they
    /// exist.
    ///
    /// # Errors
    /// When a file cannot be read, or has a mistake.
    pub fn load(given: Option<&Path>) -> Result<Self, ConfigError> {
        let given = given.map(|path| ("--config", path.to_owned()));
        let by_variable = || {
            let path = env::var_os(VARIABLE).filter(|path| !path.is_empty())?;
            Some((VARIABLE, PathBuf::from(path)))
        };
        if let Some((by, path)) = given.or_else(by_variable) {
            return Self::read(&path)?.ok_or(ConfigError::Missing { by, path });
        }
        Self::of_files([Some(PathBuf::from(HOST_FILE)), user_file()].into_iter().flatten())
    }

    /// Reads these files, of which later ones take precedence. Files that this user may not read
    /// are left out.
    fn of_files(paths: impl Iterator<Item = PathBuf>) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for path in paths {
            match Self::read(&path) {
                Ok(read) => config.override_with(read.unwrap_or_default()),
                Err(ConfigError::Read { path, why: RegularFileError::Io(why) })
                    if why.kind() == ErrorKind::PermissionDenied =>
                {
                    config.unreadable.push(format!("cannot read {}: {why}", path.display()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(config)
    }

    /// Reads one file; `None` if it does not exist.
    fn read(path: &Path) -> Result<Option<Self>, ConfigError> {
        let text = match read_regular_text(path, LARGEST) {
            Ok(text) => text,
            Err(RegularFileError::Io(error))
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Ok(None);
            }
            Err(why) => return Err(ConfigError::Read { path: path.to_owned(), why }),
        };
        let config = Self::parse(&text);
        let config = config.map(|config| Some(config.noting_file(path)));
        config.map_err(|why| ConfigError::Content { path: path.to_owned(), why })
    }

    /// Parses a configuration; the error is one line.
    fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| {
            let line = error
                .span()
                .and_then(|span| text.get(..span.start))
                .map(|before| format!("line {}: ", before.matches('\n').count() + 1));
            // One line: only the message, without the excerpt.
            let message = error.message().replace('\n', " ");
            format!("{}{}", line.unwrap_or_default(), escape::text(&message))
        })?;
        for (id, threshold) in &config.thresholds {
            let Some(ratio) = Ratio::named(id) else {
                let (name, hint) = (escape::text(id), nearest(id));
                return Err(format!("thresholds.{name}: there is no such ratio{hint}"));
            };
            if let Some(fault) = threshold.or(ratio.threshold()).fault() {
                return Err(format!("thresholds.{id}: {fault}"));
            }
        }
        RuleLimits::with(&config.diagnose)
            .map_err(|error| format!("diagnose: {}", escape::text(&error.to_string())))?;
        Ok(config)
    }

    /// Notes the file that sets everything in it.
    fn noting_file(mut self, path: &Path) -> Self {
        let limits = self
            .diagnose
            .iter()
            .flat_map(|(code, limits)| limits.keys().map(|key| (code.to_uppercase(), key.clone())));
        let thresholds = self.thresholds.iter().flat_map(|(id, threshold)| {
            let set = [("warn", threshold.warn), ("critical", threshold.critical)];
            let set = set.into_iter().filter(|(_, value)| value.is_some());
            set.map(|(key, _)| (id.clone(), key.to_owned()))
        });
        let defaults = self.defaults.keys().map(|name| ("defaults".to_owned(), name.clone()));
        let aliases = self.alias.keys().map(|name| ("alias".to_owned(), name.clone()));
        let all = limits.chain(thresholds).chain(defaults).chain(aliases);
        self.set_in = all.map(|set| (set, path.to_owned())).collect();
        self
    }

    /// The value that is set for a limit of a rule, or for `warn` and `critical` of a ratio, and the
    /// file that sets it.
    pub fn set(&self, of: &str, key: &str) -> Option<(f64, &Path)> {
        let file = self.set_in.get(&(of.to_owned(), key.to_owned()))?;
        let threshold = self.thresholds.get(of).and_then(|threshold| match key {
            "warn" => threshold.warn,
            _ => threshold.critical,
        });
        let limits = self.diagnose.iter().find(|(code, _)| code.eq_ignore_ascii_case(of));
        let limit = limits.and_then(|(_, limits)| limits.get(key).copied());
        Some((limit.or(threshold)?, file))
    }

    /// Checks that `[defaults]` has names of `commands`, and that each of `[alias]` has another name
    /// and begins with one.
    ///
    /// # Errors
    /// Names the file, the key and what is wrong with it.
    pub fn check_commands(&self, commands: &[String]) -> Result<(), ConfigError> {
        let is_command = |name: &str| commands.iter().any(|command| command == name);
        let unknown = |name: &str| {
            let near = text::nearest(name, commands.iter());
            let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            format!("there is no command `{}`{hint}", escape::bounded(name, 64))
        };
        let defaults = self.defaults.iter().map(|(name, arguments)| {
            let fault = if name == "ss" {
                Some("`ss` has the defaults of the command that answers it".to_owned())
            } else if !is_command(name) {
                Some(unknown(name))
            } else if arguments.iter().any(|argument| argument == "--kill") {
                Some("--kill must be typed and cannot be a default".to_owned())
            } else {
                None
            };
            ("defaults", name, fault)
        });
        let aliases = self.alias.iter().map(|(name, words)| {
            let fault = if is_command(name) || name == "help" {
                Some("this is the name of a command; an alias needs another one".to_owned())
            } else if name.is_empty() || name.starts_with('-') {
                Some("the name of an alias cannot be empty or begin with a dash".to_owned())
            } else {
                match words.first() {
                    None => Some("it is empty; an alias begins with a command".to_owned()),
                    Some(first) => (!is_command(first)).then(|| unknown(first)),
                }
            };
            ("alias", name, fault)
        });
        for (table, name, fault) in defaults.chain(aliases) {
            let Some(fault) = fault else { continue };
            let path = self.set_in.get(&(table.to_owned(), name.clone())).cloned();
            let why = format!("{table}.{}: {fault}", escape::bounded(name, 64));
            return Err(ConfigError::Content { path: path.unwrap_or_default(), why });
        }
        Ok(())
    }

    /// The limits of rules: those that are configured, else their own.
    pub fn limits(&self) -> RuleLimits {
        // Validated when it was read.
        RuleLimits::with(&self.diagnose).unwrap_or_default()
    }

    fn override_with(&mut self, mut user: Self) {
        for (id, threshold) in user.thresholds {
            let merged = threshold.or(self.thresholds.get(&id).copied().unwrap_or_default());
            self.thresholds.insert(id, merged);
        }
        for (code, limits) in user.diagnose {
            self.diagnose.entry(code.to_uppercase()).or_default().extend(limits);
        }
        self.defaults.extend(user.defaults);
        self.alias.extend(user.alias);
        self.set_in.extend(user.set_in);
        user.hosts.append(std::mem::take(&mut self.hosts));
        self.hosts = user.hosts;
        // The first matching rule applies.
        user.services.append(std::mem::take(&mut self.services));
        self.services = user.services;
    }

    /// The thresholds of a ratio: configured ones, otherwise the defaults.
    pub fn threshold(&self, ratio: &Ratio) -> Threshold {
        self.thresholds.get(&ratio.id).copied().unwrap_or_default().or(ratio.threshold())
    }
}

/// `name = "10.0.0.7"`, or a list of addresses and networks.
fn host_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HostNames, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Addresses {
        One(String),
        Many(Vec<String>),
    }
    let mut names = HostNames::default();
    for (name, addresses) in BTreeMap::<String, Addresses>::deserialize(deserializer)? {
        let addresses = match addresses {
            Addresses::One(address) => vec![address],
            Addresses::Many(addresses) => addresses,
        };
        for address in addresses {
            names.add(&name, &address).map_err(|why| D::Error::custom(format!("{name}: {why}")))?;
        }
    }
    Ok(names)
}

fn nearest(id: &str) -> String {
    text::nearest(id, Ratio::all().iter().map(|ratio| &ratio.id)).map_or_else(
        || "; `tcpdiag explain --category ratios` lists them".to_owned(),
        |near| format!("; did you mean `{near}`?"),
    )
}

fn user_file() -> Option<PathBuf> {
    let absolute =
        |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let in_home = || {
        // With sudo(8) and setpriv(1) HOME may be another user's.
        let home = absolute("HOME")?;
        let user = rustix::process::geteuid();
        let is_own = fs::metadata(&home).is_ok_and(|metadata| metadata.uid() == user.as_raw());
        (is_own || user.is_root()).then(|| home.join(".config"))
    };
    let home = absolute("XDG_CONFIG_HOME").or_else(in_home)?;
    Some(home.join("tcpdiag/config.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_may_not_be_read_is_named_and_left_out() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let [hidden, open] = ["hidden", "open"].map(|name| directory.path().join(name));
        for (path, name) in [(&hidden, "a"), (&open, "b")] {
            fs::write(path, format!("[[service]]\nname = '{name}'\nport = 1\n")).unwrap();
        }
        fs::set_permissions(&hidden, fs::Permissions::from_mode(0o000)).unwrap();
        let config = Config::of_files([hidden.clone(), open].into_iter()).unwrap();
        assert!(!config.services.is_empty());
        // Root may read everything.
        if fs::read(&hidden).is_err() {
            let [line] = config.unreadable.as_slice() else { panic!("{:?}", config.unreadable) };
            assert!(line.contains("hidden: Permission denied"), "{line}");
        }
        assert!(Config::load(Some(Path::new("/nowhere"))).is_err());
    }

    fn error_of(text: &str) -> String {
        Config::parse(text).unwrap_err()
    }

    #[test]
    fn thresholds_are_overridden_singly() {
        let ratio = Ratio::named("retransmission").unwrap();
        assert_eq!(Config::default().threshold(ratio), ratio.threshold());
        let mut config = Config::parse("[thresholds]\nretransmission = { warn = 0.02 }\n").unwrap();
        assert_eq!(config.threshold(ratio), Threshold { warn: Some(0.02), critical: Some(0.05) });
        let user = Config::parse("[thresholds]\nretransmission = { critical = 0.5 }\n").unwrap();
        config.override_with(user);
        assert_eq!(config.threshold(ratio), Threshold { warn: Some(0.02), critical: Some(0.5) });
    }

    #[test]
    fn what_is_set_has_its_file() {
        let read = |name: &str, text: &str| Config::parse(text).unwrap().noting_file(name.as_ref());
        let host = "[diagnose]\ntd101 = { share = 0.5, busy = 0.2 }\n";
        let mut config = Config::default();
        config.override_with(read("/host", host));
        let user =
            "[diagnose]\nTD101 = { share = 0.9 }\n[thresholds]\nretransmission = { warn = 0.02 }\n";
        config.override_with(read("/user", user));
        let set =
            |of, key| config.set(of, key).map(|(value, file)| (value, file.to_str().unwrap()));
        assert_eq!(set("TD101", "share"), Some((0.9, "/user")));
        assert_eq!(set("TD101", "busy"), Some((0.2, "/host")));
        assert_eq!(set("TD101", "fast"), None);
        assert_eq!(set("retransmission", "warn"), Some((0.02, "/user")));
        assert_eq!(set("retransmission", "critical"), None);
    }

    #[test]
    fn user_services_take_precedence() {
        let service = |name: &str, port: u16| {
            Config::parse(&format!("[[service]]\nname = '{name}'\nport = {port}\n")).unwrap()
        };
        let mut config = service("host", 1);
        config.override_with(service("user", 2));
        let names: Vec<&str> = config.services.names().collect();
        assert_eq!(names, ["user", "host"]);
    }

    #[test]
    fn errors_name_the_key() {
        for (text, wanted) in [
            ("[threshold]\n", "line 1: unknown field `threshold`"),
            ("[thresholds]\nretransmision = {}\n", "did you mean `retransmission`?"),
            ("[[services]]\nname = 'a'\nport = 1\n", "line 1: unknown field `services`"),
            ("[[service]]\nname = 'a'\nports = 1\n", "unknown field `ports`"),
            ("[[service]]\nname = 'a'\n", "\"a\" has no conditions"),
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
            let error = error_of(text);
            assert!(error.contains(wanted), "{text:?}: {error}");
            assert_eq!(error.lines().count(), 1, "{error:?}");
        }
    }
}
