//! The names of services.

use super::basis::ServiceBasis;
use super::key::{Grouping, ServiceKey};
use super::owner::Owner;
use super::registry::ServiceRegistry;
use crate::model::{Endpoint, Role, RoleBasis, ScopedAddress};

/// What a name is made of. Borrowed, so that looking up a service allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Base<'a> {
    Text(&'a str),
    Address(ScopedAddress),
    /// Nothing but the port.
    Bare,
}

/// What distinguishes services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Parts<'a> {
    pub(super) base: Base<'a>,
    pub(super) role: Role,
    pub(super) port: Option<u16>,
    pub(super) owner: Option<&'a str>,
}

#[derive(Debug)]
enum KeptBase {
    Text(Box<str>),
    Address(ScopedAddress),
    Bare,
}

/// [`Parts`], kept.
#[derive(Debug)]
pub(super) struct KeptParts {
    base: KeptBase,
    role: Role,
    port: Option<u16>,
    owner: Option<Box<str>>,
}

impl KeptParts {
    pub(super) fn of(parts: &Parts<'_>) -> Self {
        let base = match parts.base {
            Base::Text(text) => KeptBase::Text(text.into()),
            Base::Address(address) => KeptBase::Address(address),
            Base::Bare => KeptBase::Bare,
        };
        Self { base, role: parts.role, port: parts.port, owner: parts.owner.map(Into::into) }
    }

    pub(super) fn are(&self, parts: &Parts<'_>) -> bool {
        let base = match &self.base {
            KeptBase::Text(text) => Base::Text(text),
            KeptBase::Address(address) => Base::Address(*address),
            KeptBase::Bare => Base::Bare,
        };
        let Self { role, port, owner, .. } = self;
        *parts == Parts { base, role: *role, port: *port, owner: owner.as_deref() }
    }
}

impl Parts<'_> {
    /// As it is shown, resting on nothing weak so far.
    pub(super) fn key(&self) -> ServiceKey {
        let bare: Box<str> = match self.base {
            Base::Text(text) => text.into(),
            Base::Address(address) => address.to_string().into(),
            Base::Bare => self.port.map_or_else(String::new, |port| port.to_string()).into(),
        };
        let name = match (self.role, self.base, self.port) {
            (Role::Client, Base::Text(_), Some(port)) => format!("→ {bare}:{port}").into(),
            (Role::Client, Base::Text(_), None) | (_, Base::Text(_), _) => bare.clone(),
            (Role::Client, ..) => format!("→ {bare}").into(),
            _ => bare.clone(),
        };
        let (role, port, owner) = (self.role, self.port, self.owner.map(Into::into));
        ServiceKey {
            name,
            bare,
            role,
            port,
            owner,
            basis: ServiceBasis::Rule,
            role_basis: RoleBasis::Listening,
        }
    }
}

/// A socket of which everything is known that names its service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) local: Endpoint,
    pub(super) remote: Endpoint,
    /// The interface that the socket is bound to, 0 for none.
    pub(super) interface: u32,
    /// Server, client or unknown: a listener counts as the server that it is.
    pub(super) role: Role,
    pub(super) owner: Owner<'a>,
    /// What the owner rests on: a holder of the socket itself, or of its listener.
    pub(super) owner_is: OwnerIs,
    /// The programs of a SO_REUSEPORT group of which one is the owner.
    pub(super) group: Option<&'a str>,
    /// For a client: the service at the far end, if that is on this host.
    pub(super) peer: Option<&'a str>,
    /// Whether the port belongs to a service: something listens there, or it is not an ephemeral
    /// one.
    pub(super) is_service_port: bool,
}

/// The socket whose holder an owner is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OwnerIs {
    /// The socket's own.
    Own,
    /// The listener's that accepted it.
    Listeners,
}

impl Facts<'_> {
    /// The end at which the service is.
    pub(super) fn serving_end(&self) -> Endpoint {
        if self.role == Role::Client { self.remote } else { self.local }
    }
}

impl ServiceRegistry {
    /// What names the service of such a socket, and what that rests on.
    pub(super) fn parts<'a>(&'a self, facts: &Facts<'a>) -> (Parts<'a>, ServiceBasis) {
        let (owner, role, end) = (facts.owner, facts.role, facts.serving_end());
        let text = |text: Option<&'a str>| Base::Text(text.unwrap_or("unknown"));
        let group = |base: Base<'a>| Parts { base, role, port: None, owner: None };
        let by_owner = |name: Option<&'a str>| {
            let basis = if name.is_some() { facts.owner_basis() } else { ServiceBasis::Port };
            (group(text(name.or(facts.group))), basis)
        };
        match self.grouping {
            Grouping::Service => self.service(facts),
            Grouping::Port if role == Role::Unknown => {
                (group(Base::Text("unknown")), ServiceBasis::Port)
            }
            Grouping::Port => {
                let parts = Parts { base: Base::Bare, role, port: Some(end.port), owner: None };
                (parts, ServiceBasis::Port)
            }
            Grouping::Process => by_owner(owner.process),
            Grouping::Unit => by_owner(owner.unit),
            Grouping::Container => by_owner(owner.container),
            Grouping::Cgroup => by_owner(owner.cgroup),
            Grouping::Remote => {
                let host = ScopedAddress::of(facts.remote.address, facts.interface);
                (group(Base::Address(host)), ServiceBasis::Port)
            }
        }
    }

    fn service<'a>(&'a self, facts: &Facts<'a>) -> (Parts<'a>, ServiceBasis) {
        let (role, end) = (facts.role, facts.serving_end());
        if let Some(rule) = self.rules.find(facts) {
            // A client's rule names the far side, which several programs may use.
            let owner = facts.owner.shown().filter(|_| role == Role::Server);
            let base = Base::Text(&rule.name);
            let parts = Parts { base, role, port: rule.single_port(), owner };
            return (parts, ServiceBasis::Rule);
        }
        let by_port = |port: u16| match self.ports.name(port) {
            Some(name) => (Base::Text(name), ServiceBasis::PortName),
            None => (Base::Bare, ServiceBasis::Port),
        };
        match role {
            Role::Client => {
                let (base, basis) = match facts.peer {
                    Some(peer) => (Base::Text(peer), ServiceBasis::Listener),
                    None => by_port(end.port),
                };
                // The port of a connection that was dropped is gone (`tcp_disconnect()`).
                let is_unnamed = !facts.is_service_port || end.port == 0;
                if is_unnamed && basis == ServiceBasis::Port {
                    let base = Base::Address(ScopedAddress::of(end.address, facts.interface));
                    return (Parts { base, role, port: None, owner: None }, basis);
                }
                (Parts { base, role, port: Some(end.port), owner: None }, basis)
            }
            Role::Server => {
                let port = Some(end.port).filter(|_| facts.is_service_port);
                let (base, basis) = match (facts.owner.service_name(), facts.group) {
                    (Some(name), _) => (Base::Text(name), facts.owner_basis()),
                    (None, Some(group)) => (Base::Text(group), ServiceBasis::Group),
                    (None, None) if port.is_some() => by_port(end.port),
                    (None, None) => (Base::Text("unknown"), ServiceBasis::Port),
                };
                (Parts { base, role, port, owner: facts.owner.shown() }, basis)
            }
            Role::Listener | Role::Unknown => {
                let base = if facts.remote.port == 0 { "unconnected" } else { "unknown" };
                let base = Base::Text(base);
                (Parts { base, role: Role::Unknown, port: None, owner: None }, ServiceBasis::Port)
            }
        }
    }
}

impl Facts<'_> {
    fn owner_basis(&self) -> ServiceBasis {
        match self.owner_is {
            OwnerIs::Listeners => ServiceBasis::Listener,
            OwnerIs::Own if self.owner.container.is_some() => ServiceBasis::Container,
            OwnerIs::Own if self.owner.service_unit().is_some() => ServiceBasis::Unit,
            OwnerIs::Own => ServiceBasis::Process,
        }
    }
}

#[cfg(test)]
#[path = "naming_tests.rs"]
mod tests;
