//! What the cells of columns say.

use std::fmt::Write as _;

use super::address::endpoint;
use super::human;
use crate::model::{Field, Reading, Role, State, Unit, fields};
use crate::monitor::Interface;
use crate::report::{Change, Connection, Limiter, Processes};
use fields::tcp_info as t;

pub(super) fn number(unit: Unit, reading: Reading, plain: bool, out: &mut String) {
    match (reading, plain) {
        (Reading::Absent, _) | (Reading::Unset, true) => {}
        (Reading::Unset, false) => out.push('-'),
        (Reading::Integer(value), true) => human::count(value, out),
        (Reading::Ratio(value), true) => {
            let _ = write!(out, "{value:.6}");
        }
        (Reading::Ratio(value), false) => human::share(value, out),
        (Reading::Integer(value), false) => match unit {
            Unit::Microseconds => human::microseconds(value, out),
            Unit::Milliseconds => human::microseconds(value.saturating_mul(1000), out),
            Unit::Bytes => human::bytes(value, out),
            Unit::BytesPerSecond => human::bit_rate(value as f64, out),
            _ => human::count(value, out),
        },
    }
}

/// Growth per second; for times the share of the interval, for bytes bits per second.
pub(super) fn rate(field: &Field, connection: &Connection<'_>, plain: bool, out: &mut String) {
    let growth = connection.delta.and_then(|delta| delta.growth(field));
    let (Some(growth), Some(seconds)) = (growth, connection.interval_s) else { return };
    let rate = growth as f64 / seconds;
    if plain {
        let _ = write!(out, "{rate:.3}");
        return;
    }
    per_second(rate, field.unit, out);
}

/// Growth per second for people: of times the share of the interval, of bytes bits per second.
pub(super) fn per_second(rate: f64, unit: Unit, out: &mut String) {
    match unit {
        Unit::Microseconds => human::share(rate / 1e6, out),
        Unit::Milliseconds => human::share(rate / 1e3, out),
        Unit::Bytes => human::bit_rate(rate, out),
        _ => human::count(rate.round() as u64, out),
    }
}

/// `10.0.0.1:443 - 192.0.2.7:50000`: both ends of a connection.
pub fn ends(connection: &Connection<'_>, out: &mut String) {
    endpoint(&connection.socket.local, zone(connection), out);
    out.push_str(" - ");
    endpoint(&connection.socket.remote, None, out);
}

pub(super) fn change(connection: &Connection<'_>, plain: bool, out: &mut String) {
    out.push_str(match (connection.change, plain) {
        (None, _) => "",
        (Some(Change::Opened), false) => "+",
        (Some(Change::Closed), false) => "-",
        (Some(Change::Opened), true) => "opened",
        (Some(Change::Closed), true) => "closed",
    });
}

pub(super) fn netns(connection: &Connection<'_>, _: bool, out: &mut String) {
    let Some(netns) = connection.netns else { return };
    match &netns.name {
        Some(name) => out.push_str(name),
        None => {
            let _ = write!(out, "{}", netns.inode);
        }
    }
}

pub(super) fn role(connection: &Connection<'_>, plain: bool, out: &mut String) {
    out.push_str(match (connection.role, plain) {
        (role, true) => role.name(),
        (Role::Server, false) => "srv",
        (Role::Client, false) => "cli",
        (Role::Listener, false) => "lsn",
        (Role::Unknown, false) => "?",
    });
}

/// The interface that the socket is bound to, as it stands behind an address.
pub(super) fn zone<'a>(connection: &Connection<'a>) -> Option<Interface<'a>> {
    let index = connection.socket.interface;
    let name = connection.interface.and_then(|interface| interface.name);
    (index != 0).then_some(Interface { index, name })
}

pub(super) fn process(connection: &Connection<'_>, _: bool, out: &mut String) {
    match connection.processes {
        Processes::NotAsked => {}
        Processes::Hidden => out.push_str("(hidden)"),
        Processes::Known { holders: [], .. } => out.push('-'),
        Processes::Known { holders: [first, rest @ ..], omitted } => {
            out.push_str(first.comm);
            let _ = write!(out, "/{}", first.pid);
            let others = omitted + rest.len() as u64;
            if others > 0 {
                let _ = write!(out, "+{others}");
            }
        }
    }
}

pub(super) fn cgroup(connection: &Connection<'_>, _: bool, out: &mut String) {
    match (connection.cgroup_path, connection.socket.cgroup_id) {
        (Some(path), _) => out.push_str(path),
        (None, Some(id)) => {
            let _ = write!(out, "id:{id}");
        }
        (None, None) => {}
    }
}

pub(super) fn queues(connection: &Connection<'_>, plain: bool, out: &mut String) {
    let (one, other) = if connection.socket.state == State::Listen {
        (&fields::ACCEPT_QUEUE, &fields::ACCEPT_QUEUE_MAX)
    } else {
        (&fields::RECV_Q, &fields::SEND_Q)
    };
    let (first, second) = (one.read(connection.socket), other.read(connection.socket));
    if first == Reading::Absent {
        return;
    }
    number(one.unit, first, plain, out);
    out.push('/');
    number(other.unit, second, plain, out);
}

pub(super) fn retransmits(connection: &Connection<'_>, plain: bool, out: &mut String) {
    let read = |field: &Field| field.integer(connection.socket);
    let (Some(now), Some(total)) = (read(&t::RETRANS), read(&t::TOTAL_RETRANS)) else { return };
    human::count(now, out);
    out.push('/');
    human::count(total, out);
    let share = fields::RETRANS_RATIO.read(connection.socket);
    if let (Reading::Ratio(share), false, 1..) = (share, plain, total) {
        out.push(' ');
        human::share(share, out);
    }
}

pub(super) fn limited(connection: &Connection<'_>, _: bool, out: &mut String) {
    match Limiter::of(connection.socket, connection.delta) {
        Some(Limiter::ReceiveWindow(share)) => {
            out.push_str("rwnd ");
            human::share(share, out);
        }
        Some(Limiter::SendBuffer(share)) => {
            out.push_str("sndbuf ");
            human::share(share, out);
        }
        Some(Limiter::Congestion) => out.push_str("cwnd"),
        Some(Limiter::Application) => out.push_str("app"),
        Some(Limiter::Receiving) => out.push_str("recv"),
        Some(Limiter::Idle) => out.push_str("idle"),
        None => {}
    }
}

pub(super) fn timer(connection: &Connection<'_>, plain: bool, out: &mut String) {
    let Some(timer) = connection.socket.timer else { return };
    out.push_str(timer.kind.name());
    out.push(' ');
    if plain {
        let _ = write!(out, "{}", timer.expires_ms);
    } else {
        human::microseconds(u64::from(timer.expires_ms) * 1000, out);
    }
    if let Some(unanswered) = timer.unanswered() {
        let _ = write!(out, " {unanswered}");
    }
}
