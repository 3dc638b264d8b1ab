//! Services that the user has named, in the configuration file.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

use super::naming::Facts;
use crate::filter::Pattern;
use crate::model::Role;

/// A file of rules that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// A rule without a name.
    #[error("[[service]] number {0} has an empty name")]
    Nameless(usize),
    /// A rule that would take everything.
    #[error(
        "[[service]] {0:?} has no conditions (give port, address, process, cgroup, unit, container or role)"
    )]
    Empty(String),
    /// An address that is none.
    #[error("[[service]] {name:?}: {address:?} is neither an address nor a prefix")]
    Address {
        /// Name of the rule.
        name: String,
        /// The text.
        address: String,
    },
}

/// Rules in the order of the file. The first that matches names the service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "Vec<Entry>")]
pub struct Rules {
    rules: Vec<Rule>,
}

/// One `[[service]]`: it matches if all its conditions do.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Name of the service.
    pub name: Box<str>,
    ports: Vec<u16>,
    addresses: Vec<IpNet>,
    process: Option<Pattern>,
    cgroup: Option<Pattern>,
    unit: Option<Pattern>,
    container: Option<Pattern>,
    role: Option<Role>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Side {
    Server,
    Client,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    port: Option<OneOrMany<u16>>,
    address: Option<OneOrMany<String>>,
    process: Option<String>,
    cgroup: Option<String>,
    unit: Option<String>,
    container: Option<String>,
    role: Option<Side>,
}

impl Rules {
    /// Appends rules.
    pub fn append(&mut self, more: Self) {
        self.rules.extend(more.rules);
    }

    /// Whether one of them needs the holder of a client's socket.
    pub fn ask_for_owners(&self) -> bool {
        self.rules.iter().any(Rule::asks_for_owners)
    }

    /// The first rule that matches.
    pub(super) fn find(&self, facts: &Facts<'_>) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.matches(facts))
    }

    /// Their names, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| &*rule.name)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

impl TryFrom<Vec<Entry>> for Rules {
    type Error = RulesError;

    fn try_from(entries: Vec<Entry>) -> Result<Self, RulesError> {
        let rules = entries.into_iter().enumerate();
        let rules = rules.map(|(index, entry)| Rule::new(index + 1, entry));
        Ok(Self { rules: rules.collect::<Result<_, _>>()? })
    }
}

impl Rule {
    fn new(number: usize, entry: Entry) -> Result<Self, RulesError> {
        let Entry { name, port, address, process, cgroup, unit, container, role } = entry;
        if name.trim().is_empty() {
            return Err(RulesError::Nameless(number));
        }
        let written = address.map(OneOrMany::into_vec).unwrap_or_default();
        let addresses = written.into_iter().map(|text| {
            let prefix = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            prefix.map_err(|_| RulesError::Address { name: name.clone(), address: text })
        });
        let addresses = addresses.collect::<Result<Vec<_>, _>>()?;
        let pattern = |text: Option<String>| text.map(|text| Pattern::new(&text));
        let rule = Self {
            name: name.as_str().into(),
            ports: port.map(OneOrMany::into_vec).unwrap_or_default(),
            addresses,
            process: process.map(|text| Pattern::of_comm(&text)),
            cgroup: pattern(cgroup),
            unit: pattern(unit),
            container: pattern(container),
            role: role.map(|side| match side {
                Side::Server => Role::Server,
                Side::Client => Role::Client,
            }),
        };
        if rule.is_empty() { Err(RulesError::Empty(name)) } else { Ok(rule) }
    }

    fn is_empty(&self) -> bool {
        let patterns = [&self.process, &self.cgroup, &self.unit, &self.container];
        self.ports.is_empty()
            && self.addresses.is_empty()
            && self.role.is_none()
            && patterns.iter().all(|pattern| pattern.is_none())
    }

    /// Whether it depends on the socket's holder.
    pub(super) fn asks_for_owners(&self) -> bool {
        [&self.process, &self.cgroup, &self.unit, &self.container]
            .iter()
            .any(|pattern| pattern.is_some())
    }

    /// The port of the service, if the rule is about one only.
    pub fn single_port(&self) -> Option<u16> {
        match self.ports.as_slice() {
            [port] => Some(*port),
            _ => None,
        }
    }

    /// Port and address are the server's: own for a server's socket, remote for a client's.
    fn matches(&self, facts: &Facts<'_>) -> bool {
        let server = facts.serving_end();
        // A dual-stack listener's children have v4-mapped addresses.
        let address = server.address.to_canonical();
        let named = |pattern: &Option<Pattern>, name: Option<&str>| match pattern {
            Some(pattern) => name.is_some_and(|name| pattern.matches(name)),
            None => true,
        };
        let owner = &facts.owner;
        self.role.is_none_or(|role| role == facts.role)
            && (self.ports.is_empty() || self.ports.contains(&server.port))
            && (self.addresses.is_empty()
                || self.addresses.iter().any(|prefix| prefix.contains(&address)))
            && named(&self.process, owner.process)
            && named(&self.container, owner.container)
            && self.cgroup.as_ref().is_none_or(|pattern| in_cgroup(pattern, owner.cgroup))
            && (named(&self.unit, owner.unit)
                || named(&self.unit, owner.unit.and_then(|unit| unit.strip_suffix(".service"))))
    }
}

/// Whether a cgroup is the one meant, or below it.
fn in_cgroup(pattern: &Pattern, path: Option<&str>) -> bool {
    let Some(path) = path else { return false };
    if !pattern.is_exact() {
        return pattern.matches(path);
    }
    let outer = pattern.as_str().trim_end_matches('/');
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
