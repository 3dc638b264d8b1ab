//! Connections by service, as far as ports identify it.

use std::net::IpAddr;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::carrying::Held;
use super::connection_history::{ConnectionHistory, Rtt};
use super::ending::Ends;
use super::evidence::Lifecycle;
use super::finding::{Example, Finding};
use crate::model::fields::tcp_info as t;
use crate::model::{Role, ScopedAddress, State};

/// Remote addresses that are kept per group, and of all.
const MAX_REMOTES: usize = 4096;

/// The role, and the port of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKey {
    /// Server or client, as `Role::name`.
    pub role: &'static str,
    /// Local port of servers, remote port of clients.
    pub port: u16,
}

impl GroupKey {
    /// The group of a socket.
    pub fn of(example: &Example) -> Self {
        let port = match example.role {
            Role::Client => example.remote.port,
            Role::Server | Role::Listener | Role::Unknown => example.local.port,
        };
        let role = if example.role == Role::Listener { Role::Server } else { example.role };
        Self { role: role.name(), port }
    }
}

/// What shares local ports: each can be used once from a local address to a remote address and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Towards {
    /// The local address.
    local: IpAddr,
    /// The remote host.
    pub(super) remote: ScopedAddress,
    /// The remote port.
    pub(super) port: u16,
}

impl Towards {
    /// Those of a connection.
    pub(super) fn of(example: &Example) -> Self {
        let (local, port) = (example.local.address, example.remote.port);
        Self { local, remote: example.remote_host(), port }
    }
}

/// What the connections to one remote host did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Peer {
    /// Connections that did something.
    pub connections: u64,
    /// Segments with data sent.
    pub data_segs_out: u64,
    /// Segments retransmitted.
    pub retrans: u64,
    /// Segments with data received.
    pub data_segs_in: u64,
    /// Of these, the ones that arrived after a gap.
    pub out_of_order: u64,
    /// About how many segments were missing before them, in thousandths.
    pub missing: u64,
    /// Those that had more to send than their congestion windows let out.
    pub held: Held,
    /// How they ended, and connects that came to nothing.
    pub ends: Ends,
}

impl Peer {
    /// Adds the figures of another peer.
    pub fn add(&mut self, other: &Self) {
        self.connections += other.connections;
        self.data_segs_out += other.data_segs_out;
        self.retrans += other.retrans;
        self.data_segs_in += other.data_segs_in;
        self.out_of_order += other.out_of_order;
        self.missing += other.missing;
        self.held.add(&other.held);
        self.ends.add(&other.ends);
    }

    /// Retransmitted segments as a share of segments with data.
    pub fn share(&self) -> f64 {
        if self.data_segs_out == 0 { 0.0 } else { self.retrans as f64 / self.data_segs_out as f64 }
    }
}

/// Whether an address is this host's own, as far as one of its connections tells.
pub(super) fn is_own(address: &ScopedAddress, example: Option<&Example>) -> bool {
    let address = address.address();
    let local = example.map(|example| example.local.address.to_canonical());
    address.is_loopback() || local == Some(address)
}

/// What the connections of a group did.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// The connection that retransmitted most.
    pub example: Option<Example>,
    /// A connection that is open, whose holder can be looked up.
    pub holder: Option<Example>,
    /// Segments that the example retransmitted.
    pub(super) most_retrans: u64,
    /// The sum of all connections.
    pub sum: Peer,
    /// By remote address.
    pub peers: FxHashMap<ScopedAddress, Peer>,
    /// Connections opened while they were watched.
    pub opened: u64,
    /// Connections that ended.
    pub closed: u64,
    /// Connections open at the last poll.
    pub open: u64,
    /// Bytes both ways on connections that ended.
    pub bytes_of_closed: u64,
    /// Round trips of active connections.
    pub rtts: Vec<Rtt>,
    /// The remote address with the most local ports in use, TIME-WAIT included, and their number.
    pub ports: Option<(ScopedAddress, u64)>,
    /// Those of them that are in TIME-WAIT.
    pub ports_waiting: u64,
    /// Sockets in TIME-WAIT.
    pub time_wait: u64,
    /// Where the port is not known: ports of the same hosts to which connects succeeded.
    pub open_ports: Vec<u16>,
}

/// Segments with data from which a connection's round trip counts.
const MIN_DATA_SEGMENTS: u64 = 3;

/// Round trips that are kept per group.
const MAX_RTTS: usize = 10_000;

impl Group {
    fn add(&mut self, history: &ConnectionHistory) {
        let retrans = history.growth(&t::TOTAL_RETRANS).unwrap_or(0);
        if self.example.is_none() || retrans > self.most_retrans {
            (self.example, self.most_retrans) = (Some(history.example), retrans);
        }
        self.opened += u64::from(history.opened_while_watched);
        if history.lifecycle == Lifecycle::Open {
            self.open += 1;
            self.keep_holder(&history.example);
        } else {
            self.closed += 1;
            let bytes = |field| history.growth(field).unwrap_or(0);
            self.bytes_of_closed += bytes(&t::BYTES_ACKED) + bytes(&t::BYTES_RECEIVED);
        }
        let mut peer = Peer::default();
        peer.ends.add_connection(history);
        let is_connection = peer.ends.failures() == 0 && history.example.state != State::SynSent;
        if history.is_active() && is_connection {
            let growth = |field| history.growth(field).unwrap_or(0);
            peer.connections = 1;
            peer.data_segs_out = growth(&t::DATA_SEGS_OUT);
            peer.retrans = retrans;
            peer.data_segs_in = growth(&t::DATA_SEGS_IN);
            peer.out_of_order = growth(&t::RCV_OOOPACK);
            if history.wants_more() {
                peer.held.add_connection(&history.evidence());
            }
            if peer.out_of_order > 0 {
                peer.missing = (history.evidence().missing() * 1e3) as u64;
            }
        }
        if peer == Peer::default() {
            return;
        }
        self.add_peer(history.example.remote_host(), &peer);
        // A handshake alone is not a sample of the path: its answer may have been retransmitted.
        if self.rtts.len() < MAX_RTTS
            && peer.data_segs_out >= MIN_DATA_SEGMENTS
            && let Some(rtt) = history.rtt()
        {
            self.rtts.push(rtt);
        }
    }

    fn keep_holder(&mut self, example: &Example) {
        if example.inode != 0 {
            self.holder.get_or_insert(*example);
        }
    }

    fn add_peer(&mut self, remote: ScopedAddress, peer: &Peer) {
        self.sum.add(peer);
        if self.peers.len() < MAX_REMOTES || self.peers.contains_key(&remote) {
            self.peers.entry(remote).or_default().add(peer);
        }
    }
}

/// All groups.
#[derive(Debug, Clone, Default)]
pub struct Groups {
    groups: FxHashMap<GroupKey, Group>,
    /// When something last came from each remote host, since the first poll.
    answered: FxHashMap<ScopedAddress, Duration>,
    /// The largest full segments that each remote host acknowledged, in bytes.
    takes: FxHashMap<ScopedAddress, u64>,
}

impl Groups {
    pub(super) fn add(&mut self, history: &ConnectionHistory) {
        self.groups.entry(GroupKey::of(&history.example)).or_default().add(history);
        let host = history.example.remote_host();
        let full = history.full_segments();
        if full > 0 && (self.takes.len() < MAX_REMOTES || self.takes.contains_key(&host)) {
            let largest = self.takes.entry(host).or_default();
            *largest = full.max(*largest);
        }
        let Some(at) = history.answered_at() else { return };
        if self.answered.len() < MAX_REMOTES || self.answered.contains_key(&host) {
            let last = self.answered.entry(host).or_default();
            *last = at.max(*last);
        }
    }

    /// Adds a connection that did nothing.
    pub(super) fn add_quiet(&mut self, history: &ConnectionHistory) {
        let group = self.group(GroupKey::of(&history.example));
        group.open += 1;
        group.keep_holder(&history.example);
        group.example.get_or_insert(history.example);
    }

    /// Adds a connect that failed, or a connection that was dropped with a reset, of which little more
    /// than the peer's address is known.
    pub(super) fn add_wiped(&mut self, example: Example, failed: bool) {
        let group = self.group(GroupKey::of(&example));
        group.example.get_or_insert(example);
        let mut peer = Peer::default();
        (peer.ends.failed, peer.ends.dropped) = (failed.into(), (!failed).into());
        // It was opened after the last poll.
        let connected = !failed && example.role == Role::Client;
        peer.ends.connected = connected.into();
        group.add_peer(example.remote_host(), &peer);
    }

    /// Sets the failed connects of which the port is not known against all those to the same hosts
    /// that succeeded, whatever their port.
    pub(super) fn share_connects(&mut self) {
        let key = GroupKey { role: Role::Client.name(), port: 0 };
        let Some(mut unknown) = self.groups.remove(&key) else { return };
        for (remote, failed) in &mut unknown.peers {
            let elsewhere = self.groups.iter().filter(|(other, _)| other.role == key.role);
            for (other, group) in elsewhere {
                let connected = group.peers.get(remote).map_or(0, |peer| peer.ends.connected);
                if failed.ends.failures() > 0 && connected > 0 {
                    unknown.open_ports.push(other.port);
                }
                failed.ends.connected += connected;
                unknown.sum.ends.connected += connected;
            }
        }
        unknown.open_ports.sort_unstable();
        unknown.open_ports.dedup();
        self.groups.insert(key, unknown);
    }

    /// The group of a key, created if there is none.
    pub(super) fn group(&mut self, key: GroupKey) -> &mut Group {
        self.groups.entry(key).or_default()
    }

    /// Of each server among these findings, a connection that is open.
    pub(super) fn holders(&self, findings: &[Finding]) -> Vec<(GroupKey, Example)> {
        let keys = findings.iter().filter_map(|one| one.subject.example()).map(GroupKey::of);
        let mut keys: Vec<_> = keys.filter(|key| key.role == Role::Server.name()).collect();
        keys.sort_unstable();
        keys.dedup();
        let holder = |key: GroupKey| Some((key, self.groups.get(&key)?.holder?));
        keys.into_iter().filter_map(holder).collect()
    }

    /// Connects to the same end point that succeeded while they were watched.
    pub(super) fn connected(&self, example: &Example) -> u64 {
        let group = self.groups.get(&GroupKey::of(example));
        let peer = group.and_then(|group| group.peers.get(&example.remote_host()));
        peer.map_or(0, |peer| peer.ends.connected)
    }

    /// When something last came from a remote host on any connection, since the first poll; `None`
    /// if nothing did while it was watched, or if there are too many hosts.
    pub(super) fn answered_at(&self, host: ScopedAddress) -> Option<Duration> {
        self.answered.get(&host).copied()
    }

    /// The largest full segments, in bytes, that a remote host acknowledged on any connection; 0 if
    /// none, or if there are too many hosts.
    pub(super) fn takes(&self, host: ScopedAddress) -> u64 {
        self.takes.get(&host).copied().unwrap_or(0)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&GroupKey, &Group)> {
        self.groups.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The range of local ports is for one local address and one remote end.
    #[test]
    fn local_addresses_have_ports_of_their_own() {
        let socket = crate::model::example::socket();
        let mut other = socket;
        other.local.address = "192.0.2.77".parse().unwrap();
        let towards = |socket| Towards::of(&Example::of(socket, Role::Client));
        assert_eq!(towards(&socket), towards(&socket));
        assert_ne!(towards(&socket), towards(&other));
        let mut port = socket;
        port.local.port ^= 1;
        assert_eq!(towards(&socket), towards(&port));
    }
}

#[cfg(test)]
mod takes_tests {
    use super::*;
    use crate::model::Socket;
    use crate::model::example::{socket, tcp_info};

    #[test]
    fn a_host_takes_what_it_acknowledged_in_full() {
        // snd_mss, bytes_acked, data_segs_out.
        let takes = |connections: &[[u32; 3]]| {
            let mut groups = Groups::default();
            for &[mss, acked, sent] in connections {
                let info = tcp_info(&[(16, mss), (120, acked), (156, sent)]);
                let event = Socket { tcp_info: Some(info), ..socket() };
                let at = Duration::from_secs(1);
                let history = ConnectionHistory::from_destroy_event(&event, Role::Server, at, 2);
                groups.add(&history);
            }
            groups.takes(Example::of(&socket(), Role::Server).remote_host())
        };
        assert_eq!(takes(&[]), 0);
        assert_eq!(takes(&[[1448, 144_800, 105]]), 1448);
        assert_eq!(takes(&[[1448, 1448, 10]]), 0, "a single one");
        assert_eq!(takes(&[[1448, 20_000, 200]]), 0, "small ones");
        assert_eq!(takes(&[[1448, 1, 10], [536, 53_600, 100]]), 536, "those of another size");
    }
}

#[cfg(test)]
mod wiped_tests {
    use super::*;
    use crate::model::{Endpoint, Socket};

    #[test]
    fn connects_of_unknown_port_are_set_against_those_that_succeeded() {
        let event = |host: &str| Socket {
            remote: Endpoint { address: host.parse().unwrap(), port: 0 },
            ..crate::model::example::socket()
        };
        let example = |host| Example::of(&event(host), Role::Client);
        let mut groups = Groups::default();
        for host in ["10.0.0.1", "10.0.0.1", "10.0.0.2"] {
            groups.add_wiped(example(host), true);
        }
        // It was opened and dropped with a reset between two polls.
        groups.add_wiped(example("10.0.0.2"), false);
        let key = |port| GroupKey { role: Role::Client.name(), port };
        for port in [80, 443] {
            let mut good = Peer::default();
            good.ends.connected = 20;
            groups.group(key(port)).add_peer(example("10.0.0.1").remote_host(), &good);
        }
        groups.share_connects();
        let group = groups.group(key(0));
        assert_eq!(group.open_ports, [80, 443]);
        assert_eq!((group.sum.ends.failures(), group.sum.ends.attempts()), (3, 44));
        let one = group.peers[&example("10.0.0.2").remote_host()].ends;
        assert_eq!((one.failures(), one.attempts(), one.dropped), (1, 2, 1));
    }

    #[test]
    fn a_server_that_drops_a_connection_has_not_connected() {
        let mut groups = Groups::default();
        let example = Example::of(&crate::model::example::socket(), Role::Server);
        groups.add_wiped(example, false);
        let ends = groups.group(GroupKey::of(&example)).sum.ends;
        assert_eq!((ends.dropped, ends.connected), (1, 0));
    }
}
