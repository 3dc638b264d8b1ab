//! Evaluates an expression for one socket, in user space.
//!
//! Agrees with the kernel's filter programs (tested as a property). Allocates nothing.

use std::net::IpAddr;

use ipnet::IpNet;

use super::candidate::{Candidate, Known, Owner, Process};
use super::expr::Expr;
use super::predicate::{Attribute, Comparison, Family, FieldTest, Predicate};
use crate::model::{Endpoint, Socket, fields};
use crate::wire::bytecode::Side;

/// The result of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is true.
    Yes,
    /// It is false.
    No,
    /// It depends on the owner, who is not looked up yet.
    Unknown,
}

impl From<bool> for Verdict {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

impl Expr {
    /// Evaluates the expression in Kleene's logic: the result is known where the unknown parts cannot
    /// change it.
    pub fn eval(&self, candidate: &Candidate<'_>) -> Verdict {
        match self {
            Self::True => Verdict::Yes,
            Self::Is(predicate) => predicate.eval(candidate),
            Self::Not(inner) => match inner.eval(candidate) {
                Verdict::Yes => Verdict::No,
                Verdict::No => Verdict::Yes,
                Verdict::Unknown => Verdict::Unknown,
            },
            Self::And(parts) => chain(parts, candidate, Verdict::No, Verdict::Yes),
            Self::Or(parts) => chain(parts, candidate, Verdict::Yes, Verdict::No),
        }
    }
}

/// `decided` if a part is; else unknown if a part is; else `otherwise`.
fn chain(
    parts: &[Expr],
    candidate: &Candidate<'_>,
    decided: Verdict,
    otherwise: Verdict,
) -> Verdict {
    let mut verdict = otherwise;
    for part in parts {
        match part.eval(candidate) {
            found if found == decided => return decided,
            Verdict::Unknown => verdict = Verdict::Unknown,
            _ => {}
        }
    }
    verdict
}

impl Predicate {
    fn eval(&self, candidate: &Candidate<'_>) -> Verdict {
        let socket = candidate.socket;
        match self {
            Self::State(states) => states.contains(socket.state).into(),
            Self::Family(family) => {
                (socket.local.address.is_ipv4() == (*family == Family::V4)).into()
            }
            Self::Prefix { side, net } => {
                either(*side, socket, |end| within(net, end.address)).into()
            }
            Self::Port { side: None, op: Comparison::Different, port } => {
                (socket.local.port != *port && socket.remote.port != *port).into()
            }
            Self::Port { side, op, port } => {
                either(*side, socket, |end| op.holds(end.port.cmp(port))).into()
            }
            Self::Interface(index) => (socket.interface == *index).into(),
            Self::Mark { value, mask } => (socket.mark.unwrap_or(0) & mask == *value).into(),
            Self::Cgroup(id) => (socket.cgroup_id.unwrap_or(0) == *id).into(),
            Self::AutoBound(_) => Verdict::Yes,
            Self::Field(test) => test.holds(socket).into(),
            Self::Uid(uid) => (fields::UID.integer(socket) == Some((*uid).into())).into(),
            Self::Role(role) => by_known(candidate, |known| known.role == *role),
            Self::Pid(pid) => by_process(candidate, |process| process.pid == *pid),
            Self::Comm(pattern) => by_process(candidate, |process| pattern.matches(process.comm)),
            Self::Unit(pattern) => by_process(candidate, |process| {
                process.unit.is_some_and(|unit| pattern.matches(unit))
            }),
            Self::Container(pattern) => by_process(candidate, |process| {
                process.container.is_some_and(|container| pattern.matches(container))
            }),
            Self::Service(pattern) => by_known(candidate, |known| {
                let names = known.service.map(|service| [service.name, service.bare]);
                names.is_some_and(|names| names.iter().any(|name| pattern.matches(name)))
            }),
            Self::Congestion(pattern) => {
                socket.congestion.is_some_and(|name| pattern.matches_bytes(name.as_bytes())).into()
            }
            Self::CgroupPath(pattern) => by_known(candidate, |known| {
                known.cgroup_path.is_some_and(|path| pattern.matches(path))
            }),
            Self::NetnsName(pattern) => {
                candidate.netns.is_some_and(|name| pattern.matches(name)).into()
            }
            Self::NetnsInode(inode) => (candidate.netns_inode == *inode).into(),
            Self::Known(attribute) => attribute.is_known(candidate),
        }
    }
}

impl Attribute {
    fn is_known(self, candidate: &Candidate<'_>) -> Verdict {
        match self {
            Self::Process => by_process(candidate, |_| true),
            Self::Unit => by_process(candidate, |process| process.unit.is_some()),
            Self::Container => by_process(candidate, |process| process.container.is_some()),
            Self::Service => by_known(candidate, |known| known.service.is_some()),
            Self::Congestion => candidate.socket.congestion.is_some().into(),
            Self::CgroupPath => by_known(candidate, |known| known.cgroup_path.is_some()),
        }
    }
}

impl FieldTest {
    fn holds(&self, socket: &Socket) -> bool {
        let order = self.amount.order(self.field.read(socket));
        order.is_some_and(|order| self.op.holds(order))
    }
}

fn by_known(candidate: &Candidate<'_>, holds: impl Fn(&Known<'_>) -> bool) -> Verdict {
    candidate.known.as_ref().map_or(Verdict::Unknown, |known| holds(known).into())
}

fn by_process(candidate: &Candidate<'_>, holds: impl Fn(&Process<'_>) -> bool) -> Verdict {
    match candidate.known.map_or(Owner::Pending, |known| known.owner) {
        Owner::Pending => Verdict::Unknown,
        Owner::Hidden | Owner::None => Verdict::No,
        Owner::Known(processes) => processes.iter().any(holds).into(),
    }
}

fn either(side: Option<Side>, socket: &Socket, holds: impl Fn(&Endpoint) -> bool) -> bool {
    match side {
        Some(Side::Local) => holds(&socket.local),
        Some(Side::Remote) => holds(&socket.remote),
        None => holds(&socket.local) || holds(&socket.remote),
    }
}

fn within(net: &IpNet, address: IpAddr) -> bool {
    match (net, address) {
        (IpNet::V4(net), IpAddr::V4(address)) => net.contains(&address),
        (IpNet::V6(net), IpAddr::V6(address)) => net.contains(&address),
        (IpNet::V4(net), IpAddr::V6(address)) => {
            address.to_ipv4_mapped().is_some_and(|address| net.contains(&address))
        }
        (IpNet::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::fixture::{candidate, socket};
    use crate::filter::{NoNames, parse};
    use crate::model::State;

    fn ask(text: &str, candidate: &Candidate<'_>) -> Verdict {
        parse(text, &NoNames).unwrap_or_else(|error| panic!("{error}")).eval(candidate)
    }

    #[test]
    fn a_socket_in_full() {
        let socket = socket();
        let subject = candidate(&socket);
        for text in [
            "",
            "state established",
            "not exclude established",
            "sport = :8080",
            "sport > :8079 sport < :8081 dport >= 50000 dport <= 50000",
            "src 10.0.0.0/8 and dst 192.0.2.7",
            "src 10.0.0.1:8080",
            "dst != 10.0.0.0/8",
            "addr = 192.0.2.0/24",
            "port = 50000",
            "port != 22",
            "dev 3",
            "dev != 4",
            "fwmark 0x1/0x1",
            "family = ipv4",
            "src inet:10.0.0.1",
            "rtt > 50ms",
            "rtt = 60000us",
            "rtt_us <= 60ms",
            "total_retrans",
            "retrans_ratio = 2%",
            "bytes_acked >= 1MiB",
            "rcvbuf = 128KiB",
            "uid = 1000 and uid >= 1000 and uid != 0",
            "role = server",
            "role != client",
            "comm = java",
            "comm = j*",
            "process = j*a and pid = 42",
            "pid != 1",
            "unit = app.service",
            "container",
            "service = shop",
            "service != \"other one\"",
            "netns = blue",
            "netns = 4026531840",
            "netns != red",
            "cgroup = /system.slice/*",
            "cgroup_id = 77",
        ] {
            assert_eq!(ask(text, &subject), Verdict::Yes, "{text}");
            if !text.is_empty() {
                assert_eq!(ask(&format!("not ({text})"), &subject), Verdict::No, "{text}");
            }
        }
        for text in ["rtt > 60ms", "src inet6:*", "lost", "comm = bash", "pid != 42", "dev 0"] {
            assert_eq!(ask(text, &subject), Verdict::No, "{text}");
        }
    }

    #[test]
    fn absent_is_not_zero() {
        let mut socket = socket();
        socket.state = State::TimeWait;
        socket.tcp_info = None;
        let mut subject = candidate(&socket);
        let known = subject.known.as_mut().unwrap();
        (known.service, known.cgroup_path, known.owner) = (None, None, Owner::None);
        for text in [
            "rtt > 0",
            "rtt = 0",
            "rtt != 0",
            "rtt < 1us",
            "rtt",
            "uid = 0",
            "uid != 0",
            "comm",
            "comm = a",
            "comm != a",
            "service != a",
            "cgroup != /a*",
            "congestion != a",
        ] {
            assert_eq!(ask(text, &subject), Verdict::No, "{text}");
        }
        assert_eq!(ask("not rtt > 50ms", &subject), Verdict::Yes);
        assert_eq!(ask("not comm = java", &subject), Verdict::Yes);
        // In the kernel an absent mark or cgroup is 0.
        socket.mark = None;
        assert_eq!(ask("fwmark 0", &candidate(&socket)), Verdict::Yes);
    }

    #[test]
    fn what_does_not_exist_matches_nothing() {
        let with = |state, words: &[(usize, u32)]| {
            let tcp_info = Some(crate::model::example::tcp_info(words));
            crate::model::Socket { state, tcp_info, ..socket() }
        };
        // A full accept queue, which the kernel writes in the places of `unacked` and `sacked`.
        let listener = with(State::Listen, &[(24, 129), (28, 128), (80, 10)]);
        // Nothing sent or received since the handshake, a minute ago.
        let fresh = with(State::Established, &[(44, 60_000), (52, 60_000), (72, 250_000)]);
        // 6 TB: segs_out wrapped. 1 % of the bytes were retransmitted.
        let long = with(State::Established, &[(100, 50_000), (136, 190), (204, 1_400), (212, 14)]);
        // An orphan: the kernel writes root's id.
        let orphan = crate::model::Socket { inode: 0, uid: 0, ..socket() };
        for (text, socket, expected) in [
            ("unacked >= 0 or sacked >= 0 or snd_cwnd < 20", &listener, Verdict::No),
            ("rtt = 0 or rtt < 1s or rttvar > 0 or min_rtt >= 0", &fresh, Verdict::No),
            ("last_data_sent >= 0 or last_data_recv >= 0", &fresh, Verdict::No),
            ("delivery_rate < 10Mbit or ato = 0", &fresh, Verdict::No),
            ("retrans_ratio > 2%", &long, Verdict::No),
            ("retrans_ratio = 1%", &long, Verdict::Yes),
            ("uid = 0", &orphan, Verdict::No),
        ] {
            assert_eq!(ask(text, &candidate(socket)), expected, "{text}");
        }
    }

    #[test]
    fn pending_and_hidden_owners() {
        let socket = socket();
        let mut subject = candidate(&socket);
        subject.known.as_mut().unwrap().owner = Owner::Pending;
        for (text, verdict) in [
            ("comm = java", Verdict::Unknown),
            ("comm != java", Verdict::Unknown),
            ("not comm = java", Verdict::Unknown),
            ("comm = java and rtt > 60ms", Verdict::No),
            ("comm = java and rtt > 50ms", Verdict::Unknown),
            ("comm = java or rtt > 50ms", Verdict::Yes),
            ("comm = java or rtt > 60ms", Verdict::Unknown),
            ("not (comm = java or pid = 5)", Verdict::Unknown),
            ("not (comm = java and rtt > 60ms)", Verdict::Yes),
        ] {
            assert_eq!(ask(text, &subject), verdict, "{text}");
        }
        subject.known.as_mut().unwrap().owner = Owner::Hidden;
        for text in ["comm = java", "comm != java", "pid != 1", "unit != a", "comm"] {
            assert_eq!(ask(text, &subject), Verdict::No, "{text}");
        }
    }

    #[test]
    fn the_zone_of_an_address_is_the_interface() {
        let mut socket = socket();
        socket.local.address = "fe80::2".parse().unwrap();
        socket.remote.address = "fe80::1".parse().unwrap();
        socket.interface = 3;
        for (text, verdict) in [
            ("dst fe80::1%3", Verdict::Yes),
            ("dst fe80::1%4", Verdict::No),
            ("dst fe80::1", Verdict::Yes),
            ("addr fe80::2%3", Verdict::Yes),
            ("dst != fe80::1%4", Verdict::Yes),
            ("dst fe80::%3/64", Verdict::Yes),
            ("dst fe80::2%3", Verdict::No),
        ] {
            assert_eq!(ask(text, &candidate(&socket)), verdict, "{text}");
        }
    }

    #[test]
    fn mapped_addresses() {
        let mut socket = socket();
        socket.local.address = "::ffff:10.0.0.1".parse().unwrap();
        socket.remote.address = "::ffff:192.0.2.7".parse().unwrap();
        let subject = candidate(&socket);
        assert_eq!(ask("src 10/8 family = ipv6", &subject), Verdict::Yes);
        assert_eq!(ask("src inet:10.0.0.1", &subject), Verdict::No);
        assert_eq!(ask("src [::ffff:0:0]/96:8080", &subject), Verdict::Yes);
        assert_eq!(ask("src ::1", &subject), Verdict::No);
    }
}
