//! One setting. This is also the format of `settings.toml`.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::counters::Release;

const TEXT: &str = include_str!("settings.toml");

/// The scope of a setting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One network namespace.
    #[default]
    Namespace,
    /// The whole host.
    Host,
}

/// The description of a setting.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Name as in sysctl(8).
    pub name: String,
    /// Its group.
    pub group: String,
    /// The unit of each number.
    pub unit: String,
    /// Its scope.
    #[serde(default)]
    pub scope: Scope,
    /// The default of current mainline kernels.
    #[serde(default)]
    pub default: Option<String>,
    /// Defaults of earlier kernels, oldest first.
    #[serde(default)]
    pub before: Vec<Earlier>,
    /// On what the default depends.
    #[serde(default)]
    pub varies: Option<String>,
    /// One to three sentences.
    pub meaning: String,
}

/// A default of earlier kernels.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Earlier {
    /// The first kernel with another default.
    pub kernel: Release,
    /// The default before.
    pub default: String,
}

#[derive(Deserialize)]
struct File {
    setting: Vec<Setting>,
}

impl Setting {
    /// All settings, in display order.
    pub fn all() -> &'static [Self] {
        static ALL: OnceLock<Vec<Setting>> = OnceLock::new();
        // Compiled in and checked by a test, so it is never empty.
        ALL.get_or_init(|| {
            toml::from_str::<File>(TEXT).map(|file| file.setting).unwrap_or_default()
        })
    }

    /// The setting with this name: `net.ipv4.tcp_rmem`, `net/ipv4/tcp_rmem` or `tcp_rmem`.
    pub fn find(name: &str) -> Option<&'static Self> {
        let name = name.trim().to_lowercase().replace('/', ".");
        Self::all().iter().find(|setting| {
            setting.name == name
                || setting.short() == name
                || setting.name.strip_prefix("net.") == Some(&name)
        })
    }

    /// The default of a kernel; the current one if the release is unknown.
    pub fn default_on(&self, kernel: Option<Release>) -> Option<&str> {
        let earlier = self.before.iter().find(|earlier| kernel.is_some_and(|k| k < earlier.kernel));
        earlier.map(|earlier| earlier.default.as_str()).or(self.default.as_deref())
    }

    /// The last part of the name: `tcp_rmem`.
    pub fn short(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_complete() {
        assert_eq!(
            toml::from_str::<File>(TEXT).map(|file| file.setting.len()).ok(),
            Some(Setting::all().len())
        );
        let mut names: Vec<&str> = Setting::all().iter().map(Setting::short).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Setting::all().len(), "a short name means two settings");
        for setting in Setting::all() {
            assert!(setting.name.starts_with("net."), "{}", setting.name);
            assert!(setting.meaning.ends_with('.'), "{}", setting.name);
            assert!(setting.default.is_some() || setting.varies.is_some(), "{}", setting.name);
        }
    }

    #[test]
    fn defaults_of_older_kernels() {
        let limit = Setting::find("tcp_limit_output_bytes").unwrap();
        for (kernel, wanted) in
            [("3.10", "262144"), ("4.20", "1048576"), ("6.15", "1048576"), ("6.16", "4194304")]
        {
            assert_eq!(limit.default_on(kernel.parse().ok()), Some(wanted), "{kernel}");
        }
        assert_eq!(limit.default_on(None), Some("4194304"));
        for setting in Setting::all() {
            assert!(setting.before.is_sorted_by_key(|earlier| earlier.kernel), "{}", setting.name);
        }
    }

    #[test]
    fn spellings() {
        for name in
            ["net.ipv4.tcp_rmem", "tcp_rmem", "net/ipv4/tcp_rmem", "ipv4.tcp_rmem", "TCP_RMEM "]
        {
            assert_eq!(Setting::find(name).map(Setting::short), Some("tcp_rmem"), "{name}");
        }
        assert_eq!(Setting::find("rmem"), None);
        assert_eq!(Setting::find(""), None);
    }
}
