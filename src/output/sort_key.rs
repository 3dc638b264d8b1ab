//! What rows are sorted by: values, not the text that shows them.

use std::cmp::Ordering;

use super::{Column, ColumnKind};
use crate::model::{Endpoint, Reading, State, TimerKind, fields};
use crate::report::{Change, Connection, Limiter, Processes};
use fields::tcp_info as t;

/// The value of a column in a row.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
enum Value {
    Integer(u64),
    Number(f64),
    /// First by one, then by the other.
    Pair(u64, u64),
    /// A kind, and how much of it.
    Ranked(u64, f64),
    /// IPv4 first (v4-mapped ones with it); the address as a number, the port, the interface.
    End(bool, u128, u16, u32),
    /// A name, and a number where names are equal.
    Text(Box<str>, u64),
}

/// What a row is sorted by.
#[derive(Debug, Clone, PartialEq)]
pub struct SortKey(Option<Value>);

impl SortKey {
    /// The key of rows that keep their order.
    pub const NONE: Self = Self(None);

    /// The key of a row for a column.
    pub fn of(column: &Column, row: &Connection<'_>) -> Self {
        let growth = |field| row.delta.and_then(|delta| delta.growth(field));
        Self(match column.kind {
            ColumnKind::Field(field) => match field.read(row.socket) {
                Reading::Absent | Reading::Unset => None,
                Reading::Integer(value) => Some(Value::Integer(value)),
                Reading::Ratio(value) => Some(Value::Number(value)),
            },
            ColumnKind::Growth(field) => growth(field).map(Value::Integer),
            ColumnKind::Rate(field) => growth(field)
                .zip(row.interval_s)
                .map(|(growth, seconds)| Value::Number(growth as f64 / seconds)),
            ColumnKind::Text(_) => of_text(column.name).and_then(|read| read(row)),
        })
    }

    /// The order of two rows. Those without a value come last in both directions.
    pub fn compare(&self, other: &Self, descending: bool) -> Ordering {
        match (&self.0, &other.0) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(one), Some(other)) => {
                let order = one.partial_cmp(other).unwrap_or(Ordering::Equal);
                if descending { order.reverse() } else { order }
            }
        }
    }
}

type Read = fn(&Connection<'_>) -> Option<Value>;

/// The value of a column that is not a field of the catalogue.
fn of_text(column: &str) -> Option<Read> {
    let read: Read = match column {
        "time" => |row| name(Some(row.captured_at)),
        "interval_s" => |row| row.interval_s.map(Value::Number),
        "change" => {
            |row| row.change.map(|change| Value::Integer((change == Change::Closed).into()))
        }
        "netns" => |row| {
            let netns = row.netns?;
            name(netns.name.as_deref()).or(Some(Value::Integer(netns.inode)))
        },
        // The kernel's order.
        "state" => |row| Some(Value::Integer(row.socket.state as u64)),
        "role" => |row| name(Some(row.role.name())),
        "role_basis" => |row| name(Some(row.role_basis.name())),
        "family" => |row| Some(Value::Integer(row.socket.local.address.is_ipv6().into())),
        "local" => |row| Some(end(row.socket.local, row.socket.interface)),
        "remote" => |row| Some(end(row.socket.remote, 0)),
        "laddr" => |row| Some(end(Endpoint { port: 0, ..row.socket.local }, 0)),
        "raddr" => |row| Some(end(Endpoint { port: 0, ..row.socket.remote }, 0)),
        "remote_name" => |row| name(row.remote_name),
        "service" => |row| name(row.service),
        "service_basis" => |row| name(row.service_basis.map(|basis| basis.name())),
        "process" => |row| {
            let holder = first_holder(row)?;
            Some(Value::Text(holder.0.into(), holder.1.into()))
        },
        "pid" => |row| first_holder(row).map(|holder| Value::Integer(holder.1.into())),
        "unit" => |row| name(row.unit),
        "container" => |row| name(row.container),
        "cgroup" => |row| name(row.cgroup_path).or(row.socket.cgroup_id.map(Value::Integer)),
        "cookie" => |row| Some(Value::Integer(row.socket.cookie)),
        "queues" => queues,
        "retr" => |row| {
            let read = |field: &crate::model::Field| field.integer(row.socket);
            Some(Value::Pair(read(&t::TOTAL_RETRANS)?, read(&t::RETRANS)?))
        },
        "limited" => limited,
        "timer" => |row| {
            let timer = row.socket.timer?;
            Some(Value::Pair(timer_kind(timer.kind), timer.expires_ms.into()))
        },
        "congestion" => |row| {
            let algorithm = row.socket.congestion.as_ref()?;
            name(Some(&String::from_utf8_lossy(algorithm.as_bytes())))
        },
        "ulp" => |row| name(Some(&String::from_utf8_lossy(row.socket.ulp.as_ref()?.name()))),
        "syn_recv_count" => |row| row.syn_recv.map(Value::Integer),
        "interface" => |row| {
            let interface = row.interface?;
            name(interface.name).or(Some(Value::Integer(interface.index.into())))
        },
        _ => return None,
    };
    Some(read)
}

/// A name; nothing if it is empty.
fn name(name: Option<&str>) -> Option<Value> {
    name.filter(|name| !name.is_empty()).map(|name| Value::Text(name.into(), 0))
}

fn end(end: Endpoint, interface: u32) -> Value {
    let (is_v6, number) = match end.address.to_canonical() {
        std::net::IpAddr::V4(address) => (false, address.to_bits().into()),
        std::net::IpAddr::V6(address) => (true, address.to_bits()),
    };
    Value::End(is_v6, number, end.port, interface)
}

/// Name and id of the first process that holds the socket.
fn first_holder<'r>(row: &'r Connection<'_>) -> Option<(&'r str, u32)> {
    match row.processes {
        Processes::Known { holders: [first, ..], .. } => Some((first.comm, first.pid)),
        Processes::Known { holders: [], .. } | Processes::Hidden | Processes::NotAsked => None,
    }
}

/// What waits in both queues; of equal sums, what waits to be read.
fn queues(row: &Connection<'_>) -> Option<Value> {
    let read = |field: &crate::model::Field| field.integer(row.socket);
    if row.socket.state == State::Listen {
        let (waiting, most) = (read(&fields::ACCEPT_QUEUE)?, read(&fields::ACCEPT_QUEUE_MAX)?);
        return Some(Value::Pair(waiting, most));
    }
    let (unread, unsent) = (read(&fields::RECV_Q)?, read(&fields::SEND_Q)?);
    Some(Value::Pair(unread.saturating_add(unsent), unread))
}

/// The limiter, those that others can do something about last, and its share.
fn limited(row: &Connection<'_>) -> Option<Value> {
    Some(match Limiter::of(row.socket, row.delta)? {
        Limiter::Idle => Value::Ranked(0, 0.0),
        Limiter::Receiving => Value::Ranked(1, 0.0),
        Limiter::Application => Value::Ranked(2, 0.0),
        Limiter::Congestion => Value::Ranked(3, 0.0),
        Limiter::SendBuffer(share) => Value::Ranked(4, share),
        Limiter::ReceiveWindow(share) => Value::Ranked(5, share),
    })
}

fn timer_kind(kind: TimerKind) -> u64 {
    match kind {
        TimerKind::Retransmit => 0,
        TimerKind::Keepalive => 1,
        TimerKind::TimeWait => 2,
        TimerKind::ZeroWindowProbe => 3,
        TimerKind::DelayedAck => 4,
        TimerKind::Unknown(number) => 5 + u64::from(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::all_columns;

    #[test]
    fn every_column_has_a_value_to_sort_by() {
        for column in all_columns() {
            let is_typed = !matches!(column.kind, ColumnKind::Text(_));
            assert!(is_typed || of_text(column.name).is_some(), "{}", column.name);
        }
    }

    fn sorted(ends: &[&str], descending: bool) -> Vec<String> {
        let mut keys: Vec<(SortKey, String)> = ends
            .iter()
            .map(|text| {
                let at: Option<std::net::SocketAddr> = text.parse().ok();
                let value = at.map(|at| end(Endpoint { address: at.ip(), port: at.port() }, 0));
                (SortKey(value), (*text).to_owned())
            })
            .collect();
        keys.sort_by(|(one, _), (other, _)| one.compare(other, descending));
        keys.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn addresses_are_numbers_and_nothing_is_last() {
        let ends = [
            "-",
            "[2001:db8::10]:1",
            "10.0.0.10:80",
            "10.0.0.2:9000",
            "[::ffff:10.0.0.3]:1",
            "9.255.0.1:65535",
            "10.0.0.2:443",
            "[2001:db8::9]:1",
        ];
        let up = [
            "9.255.0.1:65535",
            "10.0.0.2:443",
            "10.0.0.2:9000",
            "[::ffff:10.0.0.3]:1",
            "10.0.0.10:80",
            "[2001:db8::9]:1",
            "[2001:db8::10]:1",
        ];
        let with_nothing = |ends: Vec<&'static str>| [ends, vec!["-"]].concat();
        assert_eq!(sorted(&ends, false), with_nothing(up.to_vec()));
        assert_eq!(sorted(&ends, true), with_nothing(up.iter().rev().copied().collect()));
    }
}
