//! Columns of tables, CSV and TSV: every field of the catalogue, and columns of text.

use std::fmt::Write as _;
use std::sync::LazyLock;

use super::address::{address, endpoint};
use super::cells::{
    cgroup, change, limited, netns, number, process, queues, rate, retransmits, role, timer, zone,
};
use super::{Tone, human};
use crate::counters::{Ratio, Verdict};
use crate::identity::ServiceBasis;
use crate::model::{Field, Reading, State, fields, is_link_local};
use crate::report::{Change, Connection, Limiter, Processes};
use fields::tcp_info as t;

/// The alignment of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// The value that a column shows.
#[derive(Debug, Clone, Copy)]
pub enum ColumnKind {
    /// A field of the catalogue.
    Field(&'static Field),
    /// How much a counter grew in the interval.
    Growth(&'static Field),
    /// How fast a counter grew in the interval.
    Rate(&'static Field),
    /// Text, written by a function.
    Text(fn(&Connection<'_>, bool, &mut String)),
}

/// One column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// The name in `--columns`: an identifier of SQL.
    pub name: &'static str,
    /// The header in tables.
    pub header: &'static str,
    /// Alignment.
    pub align: Align,
    /// Its meaning, in a sentence.
    pub meaning: &'static str,
    /// The source of its value.
    pub kind: ColumnKind,
}

/// A column of text.
pub(super) const fn text(
    name: &'static str,
    header: &'static str,
    align: Align,
    meaning: &'static str,
    write: fn(&Connection<'_>, bool, &mut String),
) -> Column {
    Column { name, header, align, meaning, kind: ColumnKind::Text(write) }
}

/// The columns that are not fields of the catalogue.
static TEXTS: [Column; 29] = [
    text("time", "TIME", Align::Left, "When the sample was taken, RFC 3339.", |c, _, out| {
        out.push_str(c.captured_at)
    }),
    text(
        "change",
        "",
        Align::Left,
        "`+` for a connection that is new, `-` for one that is gone.",
        change,
    ),
    text("netns", "NETNS", Align::Left, "Name or inode of the network namespace.", netns),
    text("state", "STATE", Align::Left, "State of the socket.", |c, plain, out| {
        out.push_str(if plain { c.socket.state.name() } else { c.socket.state.label() });
    }),
    text(
        "role",
        "ROLE",
        Align::Left,
        "Which end this socket is: server, client or listener.",
        role,
    ),
    text("role_basis", "BASIS", Align::Left, "How the role was decided.", |c, _, out| {
        out.push_str(c.role_basis.name());
    }),
    text("family", "FAMILY", Align::Left, "ipv4 or ipv6.", |c, _, out| {
        out.push_str(if c.socket.local.address.is_ipv4() { "ipv4" } else { "ipv6" });
    }),
    text("local", "LOCAL", Align::Left, "Own address and port.", |c, _, out| {
        endpoint(&c.socket.local, zone(c), out);
    }),
    text("remote", "REMOTE", Align::Left, "The peer's address and port.", |c, _, out| {
        let zone = zone(c).filter(|_| is_link_local(c.socket.remote.address));
        match c.remote_name {
            Some(name) => {
                let _ = write!(out, "{name}:{}", c.socket.remote.port);
            }
            None => endpoint(&c.socket.remote, zone, out),
        }
    }),
    text(
        "remote_name",
        "REMOTE-NAME",
        Align::Left,
        "The peer's name, with --names.",
        |c, _, out| {
            out.push_str(c.remote_name.unwrap_or(""));
        },
    ),
    text("laddr", "LADDR", Align::Left, "Own address.", |c, _, out| {
        address(&c.socket.local.address, out);
    }),
    text("raddr", "RADDR", Align::Left, "The peer's address.", |c, _, out| {
        address(&c.socket.remote.address, out);
    }),
    text(
        "service",
        "SERVICE",
        Align::Left,
        "Name of the service on the server's side; with `?`, the usual name of its port.",
        |c, plain, out| match (c.service, c.service_basis) {
            (Some(name), Some(basis)) if !plain => basis.write_name(name, out),
            (name, _) => out.push_str(name.unwrap_or("")),
        },
    ),
    text(
        "service_basis",
        "RESTS-ON",
        Align::Left,
        "What the name of the service rests on: rule, container, unit, process, listener, ...",
        |c, _, out| out.push_str(c.service_basis.map_or("", ServiceBasis::name)),
    ),
    text(
        "process",
        "PROCESS",
        Align::Left,
        "Name and id of the first process that holds the socket, and how many other descriptors of \
             processes there are.",
        process,
    ),
    text(
        "pid",
        "PID",
        Align::Right,
        "Id of the first process that holds the socket.",
        |c, _, out| {
            if let Processes::Known { holders: [first, ..], .. } = c.processes {
                let _ = write!(out, "{}", first.pid);
            }
        },
    ),
    text("unit", "UNIT", Align::Left, "systemd unit, from the cgroup.", |c, _, out| {
        out.push_str(c.unit.unwrap_or(""));
    }),
    text("container", "CONTAINER", Align::Left, "Container, from the cgroup.", |c, _, out| {
        out.push_str(c.container.unwrap_or(""));
    }),
    text("cgroup", "CGROUP", Align::Left, "Path of the cgroup.", cgroup),
    text("cookie", "COOKIE", Align::Right, "The kernel's name for the socket.", |c, _, out| {
        let _ = write!(out, "{:#x}", c.socket.cookie);
    }),
    text(
        "queues",
        "QUEUES",
        Align::Right,
        "Bytes not read by the program/not acknowledged by the peer; a listener's accept queue/its limit.",
        queues,
    ),
    text(
        "retr",
        "RETR",
        Align::Right,
        "Retransmitted segments: in flight/over the connection's life, and their share of all sent.",
        retransmits,
    ),
    text(
        "limited",
        "LIMITED",
        Align::Left,
        "What held sending back: the peer's window (rwnd), the send buffer (sndbuf), the congestion window (cwnd) or the program (app); recv: it only receives, idle: neither.",
        limited,
    ),
    text("timer", "TIMER", Align::Left, "Running timer: kind, time left, times fired.", timer),
    text("congestion", "CONG", Align::Left, "Congestion control.", |c, _, out| {
        if let Some(name) = &c.socket.congestion {
            out.push_str(&String::from_utf8_lossy(name.as_bytes()));
        }
    }),
    text("ulp", "ULP", Align::Left, "Upper layer protocol.", |c, _, out| {
        if let Some(ulp) = &c.socket.ulp {
            out.push_str(&String::from_utf8_lossy(ulp.name()));
        }
    }),
    text(
        "syn_recv_count",
        "SYN-RECV",
        Align::Right,
        "Requests of a listener's port that wait for the handshake's last ACK.",
        |c, _, out| {
            if let Some(count) = c.syn_recv {
                let _ = write!(out, "{count}");
            }
        },
    ),
    text("interface", "DEV", Align::Left, "Interface the socket is bound to.", |c, _, out| {
        if let Some(interface) = c.interface {
            match interface.name {
                Some(name) => out.push_str(name),
                None => human::count(interface.index.into(), out),
            }
        }
    }),
    text(
        "interval_s",
        "INTERVAL",
        Align::Right,
        "Seconds since the sample before; nothing in the first one.",
        |c, _, out| {
            if let Some(seconds) = c.interval_s {
                let _ = write!(out, "{seconds:.6}");
            }
        },
    ),
];

/// Every column.
pub fn all_columns() -> impl Iterator<Item = Column> {
    let fields = fields::all()
        .filter(|field| !TEXTS.iter().any(|column| column.name == field.name))
        .map(|field| {
            let header = field.own_header().unwrap_or(field.name);
            of_field(field, field.name, header, ColumnKind::Field(field))
        });
    TEXTS.iter().copied().chain(fields)
}

/// The growth of each counter, and its rate. Named as in the rows of `convert`.
static OF_COUNTERS: LazyLock<Vec<[Column; 2]>> = LazyLock::new(|| {
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let of = |field: &'static Field, end: &str, mark: &str, kind: ColumnKind| {
        let name = leak(format!("{}{end}", field.key));
        let header = fields::interval_header(name)
            .unwrap_or_else(|| leak(format!("{}{mark}", title(field))));
        of_field(field, name, header, kind)
    };
    let counters = fields::all().filter(|field| field.kind.grows());
    counters
        .map(|field| {
            [
                of(field, "_delta", "+", ColumnKind::Growth(field)),
                of(field, "_per_s", "/s", ColumnKind::Rate(field)),
            ]
        })
        .collect()
});

fn of_field(
    field: &'static Field,
    name: &'static str,
    header: &'static str,
    kind: ColumnKind,
) -> Column {
    Column { name, header, align: Align::Right, meaning: field.meaning, kind }
}

/// A field's header.
fn title(field: &Field) -> String {
    field.own_header().map_or_else(|| field.name.to_uppercase(), str::to_owned)
}

/// The column with this name: a field's name or JSON key, a text column, or `FIELD_delta` (also
/// `FIELD+`) for a counter's growth and `FIELD_per_s` (also `FIELD/s`) for its rate in the interval.
/// Also the column with this header, in any case.
pub fn find_column(name: &str) -> Option<Column> {
    if let Some(column) = TEXTS.iter().find(|column| column.name == name) {
        return Some(*column);
    }
    let of_field = |field: &'static Field| all_columns().find(|column| column.name == field.name);
    let by_name = |name: &str| of_counter(name).or_else(|| fields::find(name).and_then(of_field));
    let headed = |column: &&Column| {
        let header = column.header;
        !header.is_empty() && header.eq_ignore_ascii_case(name)
    };
    let growth = || OF_COUNTERS.iter().flatten();
    let found = TEXTS.iter().find(headed).or_else(|| growth().find(headed)).copied();
    let plain = fields::plain_name(name);
    let text = || TEXTS.iter().find(|column| column.name == plain).copied();
    found.or_else(|| by_name(name)).or_else(text).or_else(|| by_name(&plain))
}

/// The column of a counter's growth or rate.
fn of_counter(name: &str) -> Option<Column> {
    let strip = |ends: [&str; 2]| ends.iter().find_map(|end| name.strip_suffix(end));
    let counter = |base: Option<&str>, which: usize| {
        let field = fields::find(base?)?;
        let columns = OF_COUNTERS.iter().find(|columns| columns[0].is_of(field))?;
        columns.get(which).copied()
    };
    counter(strip(["_delta", "+"]), 0).or_else(|| counter(strip(["_per_s", "/s"]), 1))
}

impl Column {
    /// The field that it shows, or whose growth or rate.
    pub fn field(&self) -> Option<&'static Field> {
        match self.kind {
            ColumnKind::Field(own) | ColumnKind::Growth(own) | ColumnKind::Rate(own) => Some(own),
            ColumnKind::Text(_) => None,
        }
    }

    /// Whether it shows this field, or its growth or rate.
    fn is_of(&self, field: &Field) -> bool {
        self.field().is_some_and(|own| own.name == field.name)
    }

    /// Writes the cell: with units for people, or plain in base units.
    #[inline]
    pub fn write(&self, connection: &Connection<'_>, plain: bool, out: &mut String) {
        match self.kind {
            ColumnKind::Text(write) => write(connection, plain, out),
            ColumnKind::Field(field) => {
                number(field.unit, field.read(connection.socket), plain, out)
            }
            ColumnKind::Growth(field) => {
                let growth = connection.delta.and_then(|delta| delta.growth(field));
                number(field.unit, growth.map_or(Reading::Absent, Reading::Integer), plain, out);
            }
            ColumnKind::Rate(field) => rate(field, connection, plain, out),
        }
    }

    /// The name as a key of records: times include their unit, as in JSON.
    pub fn key(&self) -> &'static str {
        match self.kind {
            // The text column already has the key `state`.
            ColumnKind::Field(field) if field.name != t::STATE.name => field.key,
            _ => self.name,
        }
    }

    /// The cell's tone.
    pub fn tone(&self, connection: &Connection<'_>) -> Tone {
        match self.name {
            "change" => match connection.change {
                Some(Change::Opened) => Tone::Good,
                Some(Change::Closed) => Tone::Quiet,
                None => Tone::Plain,
            },
            "state" => match connection.socket.state {
                State::Established | State::Listen => Tone::Plain,
                State::TimeWait | State::BoundInactive => Tone::Quiet,
                _ => Tone::Warn,
            },
            "retr" | "retrans_ratio" => match fields::RETRANS_RATIO.read(connection.socket) {
                Reading::Ratio(share) => {
                    let threshold = Ratio::named("retransmission").map(Ratio::threshold);
                    let verdict = threshold.map(|it| it.verdict(|limit| share > limit));
                    match verdict {
                        Some(Verdict::Critical) => Tone::Alarm,
                        Some(Verdict::Warn) => Tone::Warn,
                        _ => Tone::Plain,
                    }
                }
                _ => Tone::Plain,
            },
            "limited" => match Limiter::of(connection.socket, connection.delta) {
                Some(Limiter::ReceiveWindow(_) | Limiter::SendBuffer(_)) => Tone::Warn,
                _ => Tone::Quiet,
            },
            "accept_queue" => {
                let read = |field: &Field| field.integer(connection.socket);
                let queue = read(&fields::ACCEPT_QUEUE).zip(read(&fields::ACCEPT_QUEUE_MAX));
                let full = queue.is_some_and(|(queued, limit)| queued > limit);
                if full { Tone::Alarm } else { Tone::Plain }
            }
            _ => Tone::Plain,
        }
    }

    /// Whether its cells are addresses.
    pub fn is_address(&self) -> bool {
        matches!(self.name, "local" | "remote" | "laddr" | "raddr")
    }

    /// Whether its cells are names, which are shortened where lines would not fit.
    pub fn is_name(&self) -> bool {
        let names = ["service", "process", "unit", "container", "cgroup", "netns", "remote_name"];
        names.contains(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_and_key_is_a_column() {
        for field in fields::all() {
            assert!(find_column(field.name).is_some(), "{}", field.name);
            assert!(find_column(field.key).is_some(), "{}", field.key);
        }
        for (name, column) in [
            ("bytes_sent/s", "bytes_sent_per_s"),
            ("bytes_sent_per_s", "bytes_sent_per_s"),
            ("total_retrans+", "total_retrans_delta"),
            ("busy_time_delta", "busy_time_us_delta"),
            ("busy_time_us_delta", "busy_time_us_delta"),
        ] {
            assert_eq!(find_column(name).map(|column| column.name), Some(column));
        }
        assert!(find_column("rtt+").is_none());
        assert!(find_column("rtt_per_s").is_none());
        assert!(find_column("nonsense").is_none());
    }

    #[test]
    fn headers_are_names() {
        let growth: Vec<Column> = OF_COUNTERS.iter().flatten().copied().collect();
        for column in all_columns().chain(growth).filter(|column| !column.header.is_empty()) {
            for header in [column.header.to_uppercase(), column.header.to_lowercase()] {
                let found = find_column(&header).map(|column| column.name);
                assert_eq!(found, Some(column.name), "{header}");
            }
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<&str> = all_columns().map(|column| column.name).collect();
        let total = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), total);
    }
}
