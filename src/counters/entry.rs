//! One counter of the catalogue.
//!
//! This is also the format of `catalogue/*.toml`: a field here is a key there. Keys with a default
//! may be left out; an unknown key is an error.

use serde::{Deserialize, Serialize};

use super::group::Group;
use super::healthy::Healthy;
use super::kind::Kind;
use super::release::Release;
use super::twin::Twin;

/// The scope of a counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Events of one network namespace.
    #[default]
    Namespace,
    /// State of the whole host, counted in some namespace of it.
    Host,
}

/// One counter.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// nstat's spelling: group and kernel name in one, `TcpExtTCPLossProbes`.
    pub name: String,
    /// Id of its main category.
    pub category: String,
    /// Ids of further categories that it belongs to.
    #[serde(default)]
    pub also: Vec<String>,
    /// Counter or gauge; a counter by default.
    #[serde(default)]
    pub kind: Kind,
    /// Namespace or host; the namespace by default.
    #[serde(default)]
    pub scope: Scope,
    /// Unit: `segments`, `packets` (which GRO may have merged), `events`.
    #[serde(default = "events")]
    pub unit: String,
    /// One or two plain sentences.
    pub meaning: String,
    /// The kernel functions that count it, and their conditions.
    pub trigger: String,
    /// Probable causes of growth.
    pub suggests: String,
    /// What to check next: commands, or where to look.
    pub check: String,
    /// The normal range, if there is one.
    #[serde(default)]
    pub healthy: Option<Healthy>,
    /// The socket fields that correspond to it.
    pub twin: Twin,
    /// First mainline kernel that has it; 3.10 means 3.10 or earlier.
    #[serde(default = "oldest")]
    pub since: Release,
    /// First mainline kernel that no longer has it.
    #[serde(default)]
    pub until: Option<Release>,
    /// Kernel in which it was added again after `until`.
    #[serde(default)]
    pub again: Option<Release>,
    /// Older stable or vendor series with a backport.
    #[serde(default)]
    pub stable: Vec<String>,
    /// Its name from `until` on, if it was renamed.
    #[serde(default)]
    pub renamed_to: Option<String>,
    /// Earlier names.
    #[serde(default)]
    pub aliases: Vec<String>,
}

fn events() -> String {
    "events".to_owned()
}

fn oldest() -> Release {
    Release::new(3, 10)
}

impl Entry {
    /// The group. `None` for a name without one, which a test excludes.
    pub fn group(&self) -> Option<Group> {
        Group::split(&self.name).map(|(group, _)| group)
    }

    /// The kernel's own name, without the group: `TCPLossProbes`.
    pub fn kernel_name(&self) -> &str {
        Group::split(&self.name).map_or(&self.name, |(_, name)| name)
    }

    /// Whether a mainline kernel of this release has it. Backports are not considered.
    pub fn in_mainline(&self, kernel: Release) -> bool {
        let removed = self.until.is_some_and(|until| until <= kernel);
        let back = self.again.is_some_and(|again| again <= kernel);
        self.since <= kernel && (!removed || back)
    }

    /// Whether a later stable release of this series has a backport.
    pub fn in_stable(&self, kernel: Release) -> bool {
        self.stable
            .iter()
            .any(|series| series.parse().is_ok_and(|release: Release| release == kernel))
    }
}
