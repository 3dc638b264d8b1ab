//! From what is known about a socket to its service.

use std::hash::{BuildHasher as _, BuildHasherDefault};
use std::net::IpAddr;
use std::ops::RangeInclusive;

use rustc_hash::{FxHashMap, FxHasher};

use super::key::{Grouping, ServiceId, ServiceKey};
use super::rules::Rules;
use crate::model::{Endpoint, Role};
use crate::procfs::PortNames;

/// The kernel's default of `net.ipv4.ip_local_port_range`.
const EPHEMERAL: RangeInclusive<u16> = 32768..=60999;

/// Who a socket belongs to, as far as that is known. All of it was chosen by others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Owner<'a> {
    /// Name of a process that holds it.
    pub process: Option<&'a str>,
    /// systemd unit, from the cgroup.
    pub unit: Option<&'a str>,
    /// Container, from the cgroup.
    pub container: Option<&'a str>,
    /// Path of the cgroup.
    pub cgroup: Option<&'a str>,
}

/// What is known about a socket.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Own end.
    pub local: Endpoint,
    /// The peer's end.
    pub remote: Endpoint,
    /// The part it plays.
    pub role: Role,
    /// Who holds it.
    pub owner: Owner<'a>,
}

impl Facts<'_> {
    /// The role, a listener being the server that it is.
    pub(super) fn side(&self) -> Role {
        if self.role == Role::Listener { Role::Server } else { self.role }
    }

    /// The end at which the service is.
    pub(super) fn serving_end(&self) -> Endpoint {
        if self.side() == Role::Client { self.remote } else { self.local }
    }
}

/// [`Owner`], kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct KeptOwner {
    process: Option<Box<str>>,
    unit: Option<Box<str>>,
    container: Option<Box<str>>,
    cgroup: Option<Box<str>>,
}

impl KeptOwner {
    fn view(&self) -> Owner<'_> {
        Owner {
            process: self.process.as_deref(),
            unit: self.unit.as_deref(),
            container: self.container.as_deref(),
            cgroup: self.cgroup.as_deref(),
        }
    }

    fn keep(owner: &Owner<'_>) -> Self {
        Self {
            process: owner.process.map(Into::into),
            unit: owner.unit.map(Into::into),
            container: owner.container.map(Into::into),
            cgroup: owner.cgroup.map(Into::into),
        }
    }
}

/// What a name is made of. Borrowed, so that looking up a service allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Base<'a> {
    Text(&'a str),
    Address(IpAddr),
    /// Nothing but the port.
    Bare,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Parts<'a> {
    base: Base<'a>,
    role: Role,
    port: Option<u16>,
    owner: Option<&'a str>,
}

#[derive(Debug)]
enum KeptBase {
    Text(Box<str>),
    Address(IpAddr),
    Bare,
}

#[derive(Debug)]
struct Kept {
    base: KeptBase,
    key: ServiceKey,
}

impl Kept {
    fn is(&self, parts: &Parts<'_>) -> bool {
        let base = match &self.base {
            KeptBase::Text(text) => Base::Text(text),
            KeptBase::Address(address) => Base::Address(*address),
            KeptBase::Bare => Base::Bare,
        };
        let ServiceKey { role, port, owner, .. } = &self.key;
        *parts == Parts { base, role: *role, port: *port, owner: owner.as_deref() }
    }
}

/// Names services and remembers them. One for the whole run, whatever the namespace.
///
/// The caller remembers the answer by cookie: a socket's owner is in no destroy notification,
/// and a socket does not change its service because its listener went away.
#[derive(Debug)]
pub struct Classifier {
    rules: Rules,
    grouping: Grouping,
    names: PortNames,
    /// Inode of the network namespace that is looked at, and its ephemeral ports.
    namespace: u64,
    ephemeral: RangeInclusive<u16>,
    /// Every port of a namespace that has or had a listener, with the listeners' addresses and
    /// owners.
    listeners: FxHashMap<(u64, u16), Vec<(IpAddr, KeptOwner)>>,
    services: Vec<Kept>,
    index: FxHashMap<u64, Vec<ServiceId>>,
}

impl Classifier {
    /// With these rules and names of ports.
    pub fn new(rules: Rules, grouping: Grouping, names: PortNames) -> Self {
        Self {
            rules,
            grouping,
            names,
            namespace: 0,
            ephemeral: EPHEMERAL,
            listeners: FxHashMap::default(),
            services: Vec::new(),
            index: FxHashMap::default(),
        }
    }

    /// Turns to the sockets of a network namespace, which has its own listeners and this
    /// `net.ipv4.ip_local_port_range`. Services that are alike in several are one.
    pub fn enter(&mut self, namespace: u64, ephemeral: RangeInclusive<u16>) {
        self.namespace = namespace;
        self.ephemeral = ephemeral;
    }

    /// Takes note of a listener. Its port belongs to a service from now on, also when the
    /// listener is gone, and connections whose own holder is not known (closed between two
    /// polls, not accepted yet) are its owner's.
    pub fn learn_listener(&mut self, local: Endpoint, owner: &Owner<'_>) {
        let known = self.listeners.entry((self.namespace, local.port)).or_default();
        match known.iter_mut().find(|(address, _)| *address == local.address) {
            Some((_, kept)) if kept.view() == *owner => {}
            // Hidden this time, known before: the older answer is the better one.
            Some(_) if *owner == Owner::default() => {}
            Some((_, kept)) => *kept = KeptOwner::keep(owner),
            None => known.push((local.address, KeptOwner::keep(owner))),
        }
    }

    /// Whether a port has or had a listener.
    pub fn had_listener(&self, port: u16) -> bool {
        self.listeners.contains_key(&(self.namespace, port))
    }

    /// Whether the answer may depend on which process holds the socket. Finding that out is dear,
    /// and for most sockets needless: a server's belong to its listener, a client's to the far
    /// side.
    pub fn asks_for_process(&self, local: Endpoint, remote: Endpoint, role: Role) -> bool {
        let facts = Facts { local, remote, role, owner: Owner::default() };
        let side = self.side(&facts);
        let by_owner = match self.grouping {
            Grouping::Port | Grouping::Remote => false,
            Grouping::Service => side == Role::Server || self.rules.ask_for_owners(),
            Grouping::Process | Grouping::Unit | Grouping::Container | Grouping::Cgroup => true,
        };
        // Where the listener's process is hidden, that of its children will be too.
        let listener = self.listener(local).filter(|_| side == Role::Server);
        by_owner && listener.is_none_or(|listener| listener.process == Some("systemd"))
    }

    /// The service of a socket. Allocates only for one that is new.
    pub fn classify(&mut self, facts: &Facts<'_>) -> ServiceId {
        let facts = Facts { role: self.side(facts), ..*facts };
        let parts = self.parts(&facts);
        let hash = BuildHasherDefault::<FxHasher>::default().hash_one(parts);
        let bucket = self.index.get(&hash).map_or(&[][..], Vec::as_slice);
        let kept = |id: &ServiceId| self.services.get(id.index()).is_some_and(|it| it.is(&parts));
        if let Some(id) = bucket.iter().copied().find(kept) {
            return id;
        }
        let kept = keep(&parts);
        // A host does not have 2^32 services.
        let id = ServiceId(u32::try_from(self.services.len()).unwrap_or(u32::MAX));
        self.services.push(kept);
        self.index.entry(hash).or_default().push(id);
        id
    }

    /// What a number stands for.
    pub fn key(&self, id: ServiceId) -> Option<&ServiceKey> {
        self.services.get(id.index()).map(|kept| &kept.key)
    }

    /// Every service so far, in the order of their numbers.
    pub fn services(&self) -> impl Iterator<Item = (ServiceId, &ServiceKey)> {
        self.services.iter().zip(0..).map(|(kept, id)| (ServiceId(id), &kept.key))
    }

    /// The side on which the socket is. One whose listener was closed since looks like a
    /// client, and where listeners are not known, ports decide.
    fn side(&self, facts: &Facts<'_>) -> Role {
        let serves = |port: u16| self.had_listener(port) && !self.ephemeral.contains(&port);
        match facts.side() {
            Role::Client if serves(facts.local.port) && !self.had_listener(facts.remote.port) => {
                Role::Server
            }
            Role::Unknown if facts.remote.port != 0 => {
                let ephemeral = |port: u16| self.ephemeral.contains(&port);
                match (ephemeral(facts.local.port), ephemeral(facts.remote.port)) {
                    _ if self.had_listener(facts.local.port) => Role::Server,
                    (true, false) => Role::Client,
                    (false, true) => Role::Server,
                    _ => Role::Unknown,
                }
            }
            side => side,
        }
    }

    fn listener(&self, local: Endpoint) -> Option<Owner<'_>> {
        let known = self.listeners.get(&(self.namespace, local.port))?;
        let found = known
            .iter()
            .find(|(address, _)| *address == local.address)
            .or_else(|| known.iter().find(|(address, _)| address.to_canonical().is_unspecified()))
            .or_else(|| known.first());
        found.map(|(_, owner)| owner.view())
    }

    /// The owner, completed by what is known of its listener.
    fn owner<'a>(&'a self, facts: &Facts<'a>) -> Owner<'a> {
        let own = facts.owner;
        let listener = match facts.side() {
            Role::Server => self.listener(facts.local).unwrap_or_default(),
            _ => Owner::default(),
        };
        Owner {
            // A socket that systemd listens at is served by whoever it was handed to.
            process: match (own.process, listener.process) {
                (Some(own), Some("systemd")) => Some(own),
                (own, listener) => listener.or(own),
            },
            unit: own.unit.or(listener.unit),
            container: own.container.or(listener.container),
            cgroup: own.cgroup.or(listener.cgroup),
        }
    }

    fn parts<'a>(&'a self, facts: &Facts<'a>) -> Parts<'a> {
        let owner = self.owner(facts);
        let role = facts.side();
        let end = facts.serving_end();
        let text = |text: Option<&'a str>| Base::Text(text.unwrap_or("unknown"));
        let group = |base: Base<'a>| Parts { base, role, port: None, owner: None };
        match self.grouping {
            Grouping::Service => self.service(&Facts { owner, ..*facts }),
            Grouping::Port if role == Role::Unknown => group(Base::Text("unknown")),
            Grouping::Port => Parts { base: Base::Bare, role, port: Some(end.port), owner: None },
            Grouping::Process => group(text(owner.process)),
            Grouping::Unit => group(text(owner.unit)),
            Grouping::Container => group(text(owner.container)),
            Grouping::Cgroup => group(text(owner.cgroup)),
            Grouping::Remote => group(Base::Address(facts.remote.address.to_canonical())),
        }
    }

    fn service<'a>(&'a self, facts: &Facts<'a>) -> Parts<'a> {
        let (owner, role, end) = (facts.owner, facts.side(), facts.serving_end());
        let shown = owner.container.or(owner.unit).or(owner.process);
        if let Some(rule) = self.rules.find(facts) {
            // A client's rule names the far side; who asks there may be several.
            let owner = shown.filter(|_| role == Role::Server);
            return Parts { base: Base::Text(&rule.name), role, port: rule.single_port(), owner };
        }
        let named = |port: u16| self.names.name(port).map_or(Base::Bare, Base::Text);
        match role {
            Role::Client => {
                // On this very host the far side is known better than by its port.
                let here = end.address.to_canonical().is_loopback();
                let listener = self.listener(end).filter(|_| here).unwrap_or_default();
                let base = service_name(&listener).map_or_else(|| named(end.port), Base::Text);
                Parts { base, role, port: Some(end.port), owner: None }
            }
            Role::Server => {
                let base = service_name(&owner).map_or_else(|| named(end.port), Base::Text);
                Parts { base, role, port: Some(end.port), owner: shown }
            }
            Role::Listener | Role::Unknown => {
                let base = if facts.remote.port == 0 { "unconnected" } else { "unknown" };
                Parts { base: Base::Text(base), role: Role::Unknown, port: None, owner: None }
            }
        }
    }
}

/// Container, unit or process. Of units only services name a service: in a scope is whatever
/// somebody started in a session (`session-3.scope`, `init.scope`), and `user@1000.service` is
/// all of a user's programs.
fn service_name<'a>(owner: &Owner<'a>) -> Option<&'a str> {
    let unit = owner.unit.filter(|unit| !unit.starts_with("user@"));
    let unit = unit
        .and_then(|unit| unit.strip_suffix(".service").or_else(|| unit.strip_suffix(".socket")));
    owner.container.or(unit).or(owner.process)
}

fn keep(parts: &Parts<'_>) -> Kept {
    let plain = match parts.base {
        Base::Text(text) => text.to_owned(),
        Base::Address(address) => address.to_string(),
        Base::Bare => parts.port.map_or_else(String::new, |port| port.to_string()),
    };
    let name = match (parts.role, parts.base, parts.port) {
        (Role::Client, Base::Text(_), Some(port)) => format!("→ {plain}:{port}"),
        (Role::Client, Base::Text(_), None) | (_, Base::Text(_), _) => plain,
        (Role::Client, ..) => format!("→ {plain}"),
        _ => plain,
    };
    let base = match parts.base {
        Base::Text(text) => KeptBase::Text(text.into()),
        Base::Address(address) => KeptBase::Address(address),
        Base::Bare => KeptBase::Bare,
    };
    let owner = parts.owner.map(Into::into);
    Kept { base, key: ServiceKey { name: name.into(), role: parts.role, port: parts.port, owner } }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
