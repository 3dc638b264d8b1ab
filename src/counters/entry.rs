//! One counter of the catalogue.
//!
//! This is also the format of `catalogue/*.toml`: a field here is a key there. Keys with a
//! usual value may be left out; an unknown key is an error.

use serde::{Deserialize, Serialize};

use super::group::Group;
use super::healthy::Healthy;
use super::kind::Kind;
use super::release::Release;
use super::twin::Twin;

/// What a counter's number is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Events of one network namespace.
    #[default]
    Namespace,
    /// A state of the whole host; the number is kept by whichever namespace was at hand.
    Host,
}

/// Everything known about one counter.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// nstat's spelling: group and kernel name in one, `TcpExtTCPLossProbes`.
    pub name: String,
    /// Id of its main category.
    pub category: String,
    /// Ids of further categories under which somebody may look for it.
    #[serde(default)]
    pub also: Vec<String>,
    /// Counter or gauge. Usually a counter.
    #[serde(default)]
    pub kind: Kind,
    /// Namespace or host. Usually the namespace.
    #[serde(default)]
    pub scope: Scope,
    /// What one step of it is: `segments`, `packets` (which GRO may have merged), `events`.
    #[serde(default = "events")]
    pub unit: String,
    /// One or two plain sentences.
    pub meaning: String,
    /// The kernel functions that count it, and when.
    pub trigger: String,
    /// What growth suggests.
    pub suggests: String,
    /// What to check next: commands, or where to look.
    pub check: String,
    /// What is normal, where that can be said.
    #[serde(default)]
    pub healthy: Option<Healthy>,
    /// Which socket fields know of it.
    pub twin: Twin,
    /// First mainline kernel that has it; 3.10 stands for 3.10 or earlier.
    #[serde(default = "oldest")]
    pub since: Release,
    /// First mainline kernel that no longer has it.
    #[serde(default)]
    pub until: Option<Release>,
    /// Kernel in which it came back after `until`.
    #[serde(default)]
    pub again: Option<Release>,
    /// Older stable or vendor series that got it later, by backport.
    #[serde(default)]
    pub stable: Vec<String>,
    /// Its name from `until` on, where it was renamed rather than removed.
    #[serde(default)]
    pub renamed_to: Option<String>,
    /// Other names it has had.
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
    /// The group it is in. `None` only for a name that is in none, which a test rules out.
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

    /// Whether a later stable release of this series got it by backport.
    pub fn in_stable(&self, kernel: Release) -> bool {
        self.stable
            .iter()
            .any(|series| series.parse().is_ok_and(|release: Release| release == kernel))
    }
}
