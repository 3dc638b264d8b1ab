//! One socket in one interval of a recording, as a flat row for databases.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::LazyLock;

use jiff::Timestamp;

use crate::identity::ServiceBasis;
use crate::model::{Field, Reading, Role, RoleBasis, Socket, Unit, fields};
use crate::tracking::{COUNTERS, Delta};

/// The schema of the rows.
pub const INTERVAL_ROW: &str = "tcpdiag.interval.row/1";

/// A row.
#[derive(Debug, Clone, Copy)]
pub struct IntervalRow<'a> {
    /// End of the interval, in nanoseconds since 1970.
    pub time_ns: u64,
    /// Its length; `None` for the first sample.
    pub interval_s: Option<f64>,
    /// The number of the sample at its end, from 0.
    pub sample: u32,
    /// Inode of the network namespace.
    pub netns: u64,
    /// Its name.
    pub netns_name: Option<&'a str>,
    /// The socket at the interval's end.
    pub socket: &'a Socket,
    /// Whether its figures are known.
    pub figures: bool,
    /// Its role.
    pub role: Role,
    /// Why that was decided.
    pub role_basis: RoleBasis,
    /// Its service.
    pub service: Option<&'a str>,
    /// What that name rests on.
    pub service_basis: Option<ServiceBasis>,
    /// Name of the interface it is bound to, if any.
    pub interface: Option<&'a str>,
    /// A process that holds it.
    pub pid: Option<u32>,
    /// That process's name.
    pub process: Option<&'a str>,
    /// Path of its cgroup.
    pub cgroup: Option<&'a str>,
    /// systemd unit, from the cgroup.
    pub unit: Option<&'a str>,
    /// Container, from the cgroup.
    pub container: Option<&'a str>,
    /// Whether this is its first row.
    pub first: bool,
    /// Whether it began in the interval.
    pub opened: bool,
    /// Whether it ended in the interval.
    pub closed: bool,
    /// Whether it ended without a destroy event.
    pub vanished: bool,
    /// Whether its counters were zeroed before it ended.
    pub wiped: bool,
    /// Growth in the interval.
    pub delta: Option<&'a Delta>,
}

/// A cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Unknown, or not present.
    Absent,
    /// The kernel's value for "none".
    Unset,
    /// Text, possibly chosen by others.
    Text(Cow<'a, str>),
    /// An integer in base units.
    Integer(u64),
    /// A number with a fraction.
    Number(f64),
    /// Yes or no.
    Flag(bool),
}

/// The source of a column's cells.
#[derive(Debug, Clone, Copy)]
enum Source {
    OtherColumn(for<'a> fn(&IntervalRow<'a>) -> Value<'a>),
    Growth(&'static Field),
    Figure(&'static Field),
}

/// A column of the table.
#[derive(Debug, Clone)]
pub struct IntervalColumn {
    /// Its name, in CSV and in JSON.
    pub name: Cow<'static, str>,
    /// Its meaning, in a sentence.
    pub meaning: Cow<'static, str>,
    source: Source,
}

impl IntervalColumn {
    /// The value of this column in a row.
    pub fn read<'a>(&self, row: &IntervalRow<'a>) -> Value<'a> {
        match self.source {
            Source::OtherColumn(read) => read(row),
            Source::Growth(field) => row
                .delta
                .and_then(|delta| delta.growth(field))
                .map_or(Value::Absent, Value::Integer),
            Source::Figure(_) if !row.figures => Value::Absent,
            Source::Figure(field) => match field.read(row.socket) {
                Reading::Absent => Value::Absent,
                Reading::Unset => Value::Unset,
                Reading::Integer(value) => Value::Integer(value),
                Reading::Ratio(value) => Value::Number(value),
            },
        }
    }
}

fn text<'a>(text: Option<&'a str>) -> Value<'a> {
    text.map_or(Value::Absent, |text| Value::Text(text.into()))
}

fn address<'a>(address: IpAddr) -> Value<'a> {
    Value::Text(address.to_string().into())
}

fn number<'a>(number: Option<impl Into<u64>>) -> Value<'a> {
    number.map_or(Value::Absent, |number| Value::Integer(number.into()))
}

/// A column that is not a field of the catalogue: name, meaning, value.
type OtherColumn = (&'static str, &'static str, for<'a> fn(&IntervalRow<'a>) -> Value<'a>);

const OTHER_COLUMNS: [OtherColumn; 30] = [
    ("time", "End of the interval: when its sample began, RFC 3339 with nanoseconds.", |row| {
        let time = Timestamp::from_nanosecond(row.time_ns.into()).unwrap_or_default();
        Value::Text(format!("{time:.9}").into())
    }),
    ("time_ns", "End of the interval in nanoseconds since 1970.", |row| {
        Value::Integer(row.time_ns)
    }),
    ("interval_s", "Seconds since the sample before; absent in the first.", |row| {
        row.interval_s.map_or(Value::Absent, Value::Number)
    }),
    ("sample", "Number of the sample at its end, from 0.", |row| Value::Integer(row.sample.into())),
    ("netns", "Inode of the network namespace.", |row| Value::Integer(row.netns)),
    ("netns_name", "Name of the network namespace, where it has one.", |row| text(row.netns_name)),
    ("cookie", "The socket cookie: the kernel's identifier for the life of the socket.", |row| {
        Value::Text(format!("{:#x}", row.socket.cookie).into())
    }),
    ("family", "`ipv4` or `ipv6`.", |row| {
        let v4 = row.socket.local.address.is_ipv4();
        Value::Text(if v4 { "ipv4" } else { "ipv6" }.into())
    }),
    ("state", "State at the end; for a closed socket, its last known state.", |row| {
        Value::Text(row.socket.state.name().into())
    }),
    ("role", "`server`, `client`, `listener` or `unknown`.", |row| {
        Value::Text(row.role.name().into())
    }),
    ("role_basis", "What the role rests on.", |row| Value::Text(row.role_basis.name().into())),
    ("service", "Its service, as `tcpdiag services` names it.", |row| text(row.service)),
    ("service_basis", "What the name of the service rests on.", |row| {
        text(row.service_basis.map(ServiceBasis::name))
    }),
    ("laddr", "Local address.", |row| address(row.socket.local.address)),
    ("lport", "Local port.", |row| number(fields::LPORT.integer(row.socket))),
    ("raddr", "Remote address.", |row| address(row.socket.remote.address)),
    ("rport", "Remote port.", |row| number(fields::RPORT.integer(row.socket))),
    ("interface", "Interface it is bound to, by name.", |row| text(row.interface)),
    ("uid", "User id of the owner, as long as a program holds it.", |row| {
        number(fields::UID.integer(row.socket))
    }),
    ("inode", fields::INODE.meaning, |row| number(fields::INODE.integer(row.socket))),
    ("cgroup", "Path of the cgroup it was made in.", |row| text(row.cgroup)),
    ("unit", "systemd unit, from the cgroup.", |row| text(row.unit)),
    ("container", "Container, from the cgroup.", |row| text(row.container)),
    ("pid", "A process that holds it.", |row| number(row.pid)),
    ("process", "That process's name.", |row| text(row.process)),
    ("first", "Whether this is the socket's first row.", |row| Value::Flag(row.first)),
    ("opened", "Whether it began in the interval.", |row| Value::Flag(row.opened)),
    ("closed", "Whether it ended in the interval: this is its last row.", |row| {
        Value::Flag(row.closed)
    }),
    ("vanished", "Whether it ended without a destroy event: the last growth is lost.", |row| {
        Value::Flag(row.vanished)
    }),
    (
        "wiped",
        "Whether the kernel zeroed its counters before it ended: the last growth is lost.",
        |row| Value::Flag(row.wiped),
    ),
];

/// Every column, in the order of the output.
pub fn interval_columns() -> &'static [IntervalColumn] {
    static ALL: LazyLock<Vec<IntervalColumn>> = LazyLock::new(|| {
        let others = OTHER_COLUMNS.iter().map(|&(name, meaning, read)| IntervalColumn {
            name: name.into(),
            meaning: meaning.into(),
            source: Source::OtherColumn(read),
        });
        let reset = IntervalColumn {
            name: "reset".into(),
            meaning: "Whether its counters were reset: it was disconnected and used again.".into(),
            source: Source::OtherColumn(|row| {
                row.delta.map_or(Value::Absent, |delta| Value::Flag(delta.reset))
            }),
        };
        let growth = COUNTERS.iter().map(|field| IntervalColumn {
            name: format!("{}_delta", field.key).into(),
            meaning: format!("Growth in the interval of: {}", field.meaning).into(),
            source: Source::Growth(field),
        });
        let figures = fields::all().filter(|field| is_figure(field)).map(|field| IntervalColumn {
            name: field.key.into(),
            meaning: field.meaning.into(),
            source: Source::Figure(field),
        });
        others.chain([reset]).chain(growth).chain(figures).collect()
    });
    &ALL
}

/// Whether a field is a gauge, clock or code without a column of its own. Shares over a
/// connection's life do not describe an interval.
fn is_figure(field: &Field) -> bool {
    const ELSEWHERE: [&str; 5] = ["tcpi_state", "inode", "uid", "lport", "rport"];
    !field.kind.grows() && field.unit != Unit::Ratio && !ELSEWHERE.contains(&field.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::example::socket;

    #[test]
    fn names_are_unique_words() {
        let mut seen = std::collections::HashSet::new();
        for column in interval_columns() {
            let word = column.name.chars().all(|sign| sign.is_ascii_alphanumeric() || sign == '_');
            assert!(word && seen.insert(column.name.clone()), "{}", column.name);
            assert!(column.meaning.ends_with('.'), "{}", column.meaning);
        }
        // Every field of the catalogue is a column, as growth or as a value.
        for field in fields::all().filter(|field| field.unit != Unit::Ratio) {
            let growth = format!("{}_delta", field.key);
            let there = seen.contains(field.key) || seen.contains(growth.as_str());
            assert!(there, "{}", field.key);
        }
    }

    #[test]
    fn unknown_values_are_absent() {
        let socket = socket();
        let row = IntervalRow {
            time_ns: 1_700_000_000_000_000_001,
            interval_s: None,
            sample: 0,
            netns: 7,
            netns_name: None,
            socket: &socket,
            figures: false,
            role: Role::Client,
            role_basis: RoleBasis::Ports,
            service: Some("→ mysql:3306"),
            service_basis: Some(ServiceBasis::Port),
            interface: None,
            pid: None,
            process: None,
            cgroup: None,
            unit: None,
            container: None,
            first: true,
            opened: false,
            closed: true,
            vanished: true,
            wiped: false,
            delta: None,
        };
        let read = |name: &str| {
            interval_columns().iter().find(|column| column.name == name).unwrap().read(&row)
        };
        assert_eq!(read("time"), Value::Text("2023-11-14T22:13:20.000000001Z".into()));
        for name in ["rtt_us", "recv_q", "total_retrans_delta", "reset", "interval_s", "pid"] {
            assert_eq!(read(name), Value::Absent, "{name}");
        }
        let mut destroyed = socket;
        destroyed.state = crate::model::State::Close;
        let mut unheld = socket;
        unheld.inode = 0;
        for (socket, inode) in [
            (&destroyed, Value::Absent),
            (&unheld, Value::Integer(0)),
            (&socket, Value::Integer(socket.inode.into())),
        ] {
            let row = IntervalRow { socket, ..row };
            let column = interval_columns().iter().find(|column| column.name == "inode").unwrap();
            assert_eq!(column.read(&row), inode);
            assert!(column.meaning.contains("absent of TIME-WAIT"), "{}", column.meaning);
        }
        let shown = IntervalRow { figures: true, ..row };
        let recv_q = interval_columns().iter().find(|column| column.name == "recv_q").unwrap();
        assert_eq!(recv_q.read(&shown), Value::Integer(socket.receive_queue.into()));
    }
}
