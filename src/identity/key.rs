//! The name of a service, and its number.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::basis::ServiceBasis;
use crate::model::{Role, RoleBasis};

/// A service of one [`ServiceRegistry`](super::ServiceRegistry): an index into its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceId(pub u32);

impl ServiceId {
    /// The largest number. Above it, callers that keep numbers may use a bit of their own.
    pub const MOST: u32 = u32::MAX >> 2;

    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What distinguishes services.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServiceKey {
    /// For people: `nginx`, `→ mysql:3306`. Parts of it were chosen by processes: not to be
    /// trusted.
    pub name: Box<str>,
    /// The same without arrow and port: `nginx`, `mysql`.
    pub bare: Box<str>,
    /// Server or client; unknown where neither is known.
    pub role: Role,
    /// The server's port, where the service has one only.
    pub port: Option<u16>,
    /// Unit, container or process that serves it.
    pub owner: Option<Box<str>>,
    /// What the name rests on; the strongest of all its sockets.
    pub basis: ServiceBasis,
    /// What the role rests on; the strongest of all its sockets.
    pub role_basis: RoleBasis,
}

impl ServiceKey {
    /// Its name, with the port where that is not in it: one program may listen at several.
    pub fn full_name(&self) -> Cow<'_, str> {
        match (self.role, self.port) {
            (Role::Server, Some(port)) if *self.name != *port.to_string() => {
                format!("{}:{port}", self.name).into()
            }
            _ => (&*self.name).into(),
        }
    }

    /// The same for people: a name that only the port has given is marked
    /// ([`ServiceBasis::write_name`]).
    pub fn label(&self) -> Cow<'_, str> {
        let name = self.full_name();
        if self.basis != ServiceBasis::PortName {
            return name;
        }
        let mut label = String::with_capacity(name.len() + 1);
        self.basis.write_name(&name, &mut label);
        label.into()
    }
}

/// What sockets are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Grouping {
    /// By service: rule, unit or container, listening process, port.
    #[default]
    Service,
    /// By the server's port.
    Port,
    /// By the process that holds the socket here.
    Process,
    /// By systemd unit.
    Unit,
    /// By container.
    Container,
    /// By the peer's address.
    Remote,
    /// By the path of the cgroup.
    Cgroup,
}

impl Grouping {
    /// All groupings.
    pub const ALL: [Self; 7] = [
        Self::Service,
        Self::Port,
        Self::Process,
        Self::Unit,
        Self::Container,
        Self::Remote,
        Self::Cgroup,
    ];

    /// As it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Port => "port",
            Self::Process => "process",
            Self::Unit => "unit",
            Self::Container => "container",
            Self::Remote => "remote",
            Self::Cgroup => "cgroup",
        }
    }
}

impl fmt::Display for Grouping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that names no grouping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no grouping is called {0:?} (there are service, port, process, unit, container, remote and cgroup)"
)]
pub struct UnknownGrouping(String);

impl FromStr for Grouping {
    type Err = UnknownGrouping;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|grouping| grouping.name() == name)
            .ok_or_else(|| UnknownGrouping(name.to_owned()))
    }
}
