//! What sockets can be grouped by.

use crate::identity::ServiceBasis;
use crate::model::{Field, Kind, Reading, ScopedAddress, Unit, fields};
use crate::report::{Connection, Processes};
use crate::text;

/// A property of sockets that groups have in common.
#[derive(Debug, Clone, Copy)]
pub enum GroupKey {
    /// The state.
    State,
    /// Server, client or listener.
    Role,
    /// The service.
    Service,
    /// The peer's address.
    Remote,
    /// The peer's port.
    RemotePort,
    /// The own address.
    Local,
    /// The own port.
    LocalPort,
    /// Name of the first process that holds the socket.
    Process,
    /// Its id.
    Pid,
    /// systemd unit.
    Unit,
    /// Container.
    Container,
    /// Path of the cgroup.
    Cgroup,
    /// Id of the user who owns the socket.
    User,
    /// Network namespace.
    Netns,
    /// IPv4 or IPv6.
    Family,
    /// Congestion control.
    Congestion,
    /// The interface that the socket is bound to.
    Interface,
    /// A field of the catalogue that is neither a counter nor a time.
    Field(&'static Field),
}

/// Those with a name of their own, and other spellings of it: the names of columns and filters.
const NAMED: [(GroupKey, &str, &[&str]); 17] = [
    (GroupKey::State, "state", &[]),
    (GroupKey::Role, "role", &[]),
    (GroupKey::Service, "service", &[]),
    (GroupKey::Remote, "remote", &["raddr", "dst", "peer"]),
    (GroupKey::RemotePort, "remote_port", &["rport", "dport"]),
    (GroupKey::Local, "local", &["laddr", "src"]),
    (GroupKey::LocalPort, "local_port", &["lport", "sport"]),
    (GroupKey::Process, "process", &["comm"]),
    (GroupKey::Pid, "pid", &[]),
    (GroupKey::Unit, "unit", &[]),
    (GroupKey::Container, "container", &[]),
    (GroupKey::Cgroup, "cgroup", &[]),
    (GroupKey::User, "user", &["uid"]),
    (GroupKey::Netns, "netns", &[]),
    (GroupKey::Family, "family", &[]),
    (GroupKey::Congestion, "congestion", &["cong"]),
    (GroupKey::Interface, "interface", &["dev"]),
];

/// The value of a key for one socket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Part<'a> {
    /// There is none, or it is not known.
    Absent,
    /// The holders may not be seen.
    Hidden,
    Text(&'a str),
    /// The name of a service that only its port gives.
    PortName(&'a str),
    Integer(u64),
    /// With the name of the interface, where the address needs one.
    Address(ScopedAddress, Option<&'a str>),
}

/// The value of a key for a group.
#[derive(Debug, Clone, PartialEq)]
pub enum KeyValue {
    /// There is none, or it is not known.
    Absent,
    /// The holders may not be seen.
    Hidden,
    /// A name.
    Text(Box<str>),
    /// The name of a service that only its port gives.
    PortName(Box<str>),
    /// A number.
    Integer(u64),
    /// An address.
    Address(ScopedAddress, Option<Box<str>>),
}

impl GroupKey {
    /// The key of this name; `-` and `_` are the same, as are capitals.
    ///
    /// # Errors
    /// A sentence that names what is accepted.
    pub fn parse(name: &str) -> Result<Self, String> {
        let plain = name.trim().to_ascii_lowercase().replace('-', "_");
        let of_name = NAMED
            .iter()
            .find(|(_, own, others)| *own == plain || others.iter().any(|other| *other == plain));
        if let Some((key, ..)) = of_name {
            return Ok(*key);
        }
        if let Some(field) = fields::find(&plain).filter(|field| is_groupable(field)) {
            return Ok(Self::Field(field));
        }
        let accepted: Vec<String> = Self::names().collect();
        let near = text::nearest(&plain, NAMED.iter().map(|(_, own, _)| *own));
        let near = near.map_or_else(String::new, |near| {
            format!("did you mean '{}'? ", near.replace('_', "-"))
        });
        Err(format!(
            "{near}accepted are {}, and fields of `--columns help` that are no counter, time or share",
            accepted.join(", ")
        ))
    }

    /// The names of all that are no fields, as they are written on the command line.
    pub fn names() -> impl Iterator<Item = String> {
        NAMED.iter().map(|(_, own, _)| own.replace('_', "-"))
    }

    /// The name as a key of JSON and a title of CSV.
    pub fn name(self) -> &'static str {
        if let Self::Field(field) = self {
            return field.key;
        }
        let is_same = |key: &Self| std::mem::discriminant(key) == std::mem::discriminant(&self);
        NAMED.iter().find(|(key, ..)| is_same(key)).map_or("", |(_, own, _)| own)
    }

    /// The title in tables.
    pub fn header(self) -> String {
        self.name().to_uppercase().replace('_', "-")
    }

    /// The value for a socket, to be kept.
    pub fn value(self, row: &Connection<'_>) -> KeyValue {
        self.of(row).keep()
    }

    /// The value for a socket.
    pub(super) fn of<'r>(self, row: &'r Connection<'_>) -> Part<'r> {
        let socket = row.socket;
        let text = |text: Option<&'r str>| {
            text.filter(|text| !text.is_empty()).map_or(Part::Absent, Part::Text)
        };
        let port = |port: u16| if port == 0 { Part::Absent } else { Part::Integer(port.into()) };
        let address = |end: crate::model::Endpoint| {
            let address = ScopedAddress::of(end.address, socket.interface);
            let zone = row.interface.filter(|_| address.zone() != 0);
            Part::Address(address, zone.and_then(|interface| interface.name))
        };
        match self {
            Self::State => Part::Text(socket.state.name()),
            Self::Role => Part::Text(row.role.name()),
            Self::Service => match (row.service, row.service_basis) {
                (Some(name), Some(ServiceBasis::PortName)) => Part::PortName(name),
                (name, _) => text(name),
            },
            Self::Remote if socket.remote.port == 0 => Part::Absent,
            Self::Remote => address(socket.remote),
            Self::RemotePort => port(socket.remote.port),
            Self::Local => address(socket.local),
            Self::LocalPort => port(socket.local.port),
            Self::Process | Self::Pid => match row.processes {
                Processes::Known { holders: [first, ..], .. } if matches!(self, Self::Pid) => {
                    Part::Integer(first.pid.into())
                }
                Processes::Known { holders: [first, ..], .. } => Part::Text(first.comm),
                Processes::Known { holders: [], .. } | Processes::NotAsked => Part::Absent,
                Processes::Hidden => Part::Hidden,
            },
            Self::Unit => text(row.unit),
            Self::Container => text(row.container),
            Self::Cgroup => text(row.cgroup_path),
            Self::User => number(fields::UID.read(socket)),
            Self::Netns => match row.netns {
                Some(netns) => netns.name.as_deref().map_or(Part::Integer(netns.inode), Part::Text),
                None => Part::Absent,
            },
            Self::Family if socket.local.address.is_ipv4() => Part::Text("ipv4"),
            Self::Family => Part::Text("ipv6"),
            Self::Congestion => match &socket.congestion {
                Some(name) => text(std::str::from_utf8(name.as_bytes()).ok()),
                None => Part::Absent,
            },
            Self::Interface => match row.interface {
                Some(interface) => {
                    interface.name.map_or(Part::Integer(interface.index.into()), Part::Text)
                }
                None => Part::Absent,
            },
            Self::Field(field) => number(field.read(socket)),
        }
    }
}

/// Whether it makes sense to group by a field. Counters and times differ for nearly every socket.
fn is_groupable(field: &Field) -> bool {
    !field.kind.grows()
        && field.kind != Kind::Clock
        && !matches!(field.unit, Unit::Ratio | Unit::Microseconds | Unit::Milliseconds)
}

fn number(reading: Reading) -> Part<'static> {
    match reading {
        Reading::Integer(value) => Part::Integer(value),
        Reading::Absent | Reading::Unset | Reading::Ratio(_) => Part::Absent,
    }
}

impl Part<'_> {
    /// Appends bytes that differ from those of any other value.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Absent => out.push(0),
            Self::Hidden => out.push(1),
            Self::Text(text) | Self::PortName(text) => {
                out.push(if matches!(self, Self::Text(_)) { 2 } else { 6 });
                out.extend_from_slice(&(text.len() as u64).to_ne_bytes());
                out.extend_from_slice(text.as_bytes());
            }
            Self::Integer(value) => {
                out.push(3);
                out.extend_from_slice(&value.to_ne_bytes());
            }
            Self::Address(address, _) => {
                let number = match address.address() {
                    std::net::IpAddr::V4(address) => {
                        out.push(4);
                        address.to_bits().into()
                    }
                    std::net::IpAddr::V6(address) => {
                        out.push(5);
                        address.to_bits()
                    }
                };
                out.extend_from_slice(&number.to_ne_bytes());
                out.extend_from_slice(&address.zone().to_ne_bytes());
            }
        }
    }

    pub(super) fn keep(&self) -> KeyValue {
        match *self {
            Self::Absent => KeyValue::Absent,
            Self::Hidden => KeyValue::Hidden,
            Self::Text(text) => KeyValue::Text(text.into()),
            Self::PortName(text) => KeyValue::PortName(text.into()),
            Self::Integer(value) => KeyValue::Integer(value),
            Self::Address(address, zone) => KeyValue::Address(address, zone.map(Into::into)),
        }
    }
}

impl KeyValue {
    /// Whether it is a name that only a port gives.
    pub fn is_guess(&self) -> bool {
        matches!(self, Self::PortName(_))
    }

    /// The value as people read it: a name that only a port gives has a question mark. Empty where
    /// there is none.
    pub fn shown(&self) -> String {
        let mut text = self.text();
        if let Self::PortName(name) = self {
            text.clear();
            ServiceBasis::PortName.write_name(name, &mut text);
        }
        text
    }

    /// The value as text; empty where there is none.
    pub fn text(&self) -> String {
        match self {
            Self::Absent => String::new(),
            Self::Hidden => "(hidden)".to_owned(),
            Self::Text(text) | Self::PortName(text) => text.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Address(address, Some(zone)) => format!("{}%{zone}", address.address()),
            Self::Address(address, None) => address.to_string(),
        }
    }

    /// Names by letters, numbers and addresses by value; what is not there comes last.
    pub fn compare(&self, other: &Self) -> std::cmp::Ordering {
        let rank = |value: &Self| match value {
            Self::Integer(_) => 0,
            Self::Text(_) | Self::PortName(_) => 1,
            Self::Address(..) => 2,
            Self::Hidden => 3,
            Self::Absent => 4,
        };
        match (self, other) {
            (Self::Text(one) | Self::PortName(one), Self::Text(other) | Self::PortName(other)) => {
                one.cmp(other)
            }
            (Self::Integer(one), Self::Integer(other)) => one.cmp(other),
            (Self::Address(one, _), Self::Address(other, _)) => {
                (one.address(), one.zone()).cmp(&(other.address(), other.zone()))
            }
            _ => rank(self).cmp(&rank(other)),
        }
    }
}

impl serde::Serialize for KeyValue {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent => serializer.serialize_none(),
            Self::Integer(value) => serializer.serialize_u64(*value),
            Self::Hidden | Self::Text(_) | Self::PortName(_) | Self::Address(..) => {
                serializer.serialize_str(&self.text())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_spelling() {
        for (name, found) in [
            ("state", "state"),
            ("Remote-Port", "remote_port"),
            ("remote_port", "remote_port"),
            ("RPORT", "remote_port"),
            ("raddr", "remote"),
            ("uid", "user"),
            ("dev", "interface"),
            ("snd_mss", "snd_mss"),
            ("ca_state", "ca_state"),
        ] {
            assert_eq!(GroupKey::parse(name).map(GroupKey::name), Ok(found), "{name}");
        }
        for key in GroupKey::names() {
            assert_eq!(GroupKey::parse(&key).unwrap().name(), key.replace('-', "_"));
        }
    }

    #[test]
    fn what_is_no_key_is_refused_with_what_is_accepted() {
        // A counter, a time and a share differ for every socket.
        for name in ["", "nonsense", "total_retrans", "rtt", "retrans_ratio", "state,role"] {
            let said = GroupKey::parse(name).unwrap_err();
            assert!(said.contains("accepted are state, role, service, remote, "), "{said}");
        }
        assert!(GroupKey::parse("sevice").unwrap_err().starts_with("did you mean 'service'?"));
    }

    #[test]
    fn values_that_look_alike_stay_apart() {
        let encoded = |parts: &[Part<'_>]| {
            let mut bytes = Vec::new();
            parts.iter().for_each(|part| part.encode(&mut bytes));
            bytes
        };
        let text = Part::Text;
        assert_ne!(encoded(&[text("a"), text("bc")]), encoded(&[text("ab"), text("c")]));
        assert_ne!(encoded(&[Part::Absent]), encoded(&[text("")]));
        assert_ne!(encoded(&[Part::Integer(1)]), encoded(&[text("1")]));
        let mapped =
            |address: &str| Part::Address(ScopedAddress::of(address.parse().unwrap(), 0), None);
        assert_eq!(encoded(&[mapped("::ffff:10.0.0.1")]), encoded(&[mapped("10.0.0.1")]));
        assert_ne!(encoded(&[mapped("::a00:1")]), encoded(&[mapped("10.0.0.1")]));
    }
}
