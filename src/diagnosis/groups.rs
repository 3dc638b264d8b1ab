//! Connections by service, as far as ports tell.

use std::net::IpAddr;

use rustc_hash::FxHashMap;

use super::connection_history::{ConnectionHistory, Rtt};
use super::evidence::Fate;
use super::finding::Example;
use crate::model::fields::tcp_info as t;
use crate::model::{Role, State};

/// Remotes that are kept apart in one group.
const REMOTES: usize = 4096;

/// The part played, and the port of the serving end.
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

/// What the connections with one remote host did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Peer {
    /// Connections that did something.
    pub connections: u64,
    /// Segments with data sent.
    pub data_segs_out: u64,
    /// Segments retransmitted.
    pub retrans: u64,
}

impl Peer {
    /// Adds another's.
    pub fn add(&mut self, other: Self) {
        self.connections += other.connections;
        self.data_segs_out += other.data_segs_out;
        self.retrans += other.retrans;
    }

    /// Retransmitted by sent.
    pub fn share(&self) -> f64 {
        if self.data_segs_out == 0 { 0.0 } else { self.retrans as f64 / self.data_segs_out as f64 }
    }
}

/// What the connections of a group did.
#[derive(Debug, Clone, Default)]
pub struct Group {
    /// One of them: the one that retransmitted most.
    pub example: Option<Example>,
    /// How much that one retransmitted.
    pub(super) most: u64,
    /// All together.
    pub sum: Peer,
    /// By remote address.
    pub peers: FxHashMap<IpAddr, Peer>,
    /// Opened while they were watched.
    pub opened: u64,
    /// Closed.
    pub closed: u64,
    /// Alive at the last look.
    pub alive: u64,
    /// Bytes both ways, of the closed ones.
    pub bytes_of_closed: u64,
    /// Round trips of those that moved.
    pub rtts: Vec<Rtt>,
    /// Local ports in use towards one remote end, TIME-WAIT included: the largest.
    pub ports: Option<(IpAddr, u64)>,
    /// Of these, in TIME-WAIT.
    pub ports_waiting: u64,
    /// Sockets in TIME-WAIT.
    pub time_wait: u64,
}

/// Segments with data after which a connection's round trip counts.
const TOLD: u64 = 3;

/// Round trips kept of one group.
const RTTS: usize = 10_000;

impl Group {
    fn add(&mut self, history: &ConnectionHistory) {
        let retrans = history.grown(&t::TOTAL_RETRANS).unwrap_or(0);
        if self.example.is_none() || retrans > self.most {
            (self.example, self.most) = (Some(history.example), retrans);
        }
        self.opened += u64::from(history.born);
        if history.fate == Fate::Alive {
            self.alive += 1;
        } else {
            self.closed += 1;
            let bytes = |field| history.grown(field).unwrap_or(0);
            self.bytes_of_closed += bytes(&t::BYTES_ACKED) + bytes(&t::BYTES_RECEIVED);
        }
        if !history.has_moved() || history.example.state == State::SynSent {
            return;
        }
        let peer = Peer {
            connections: 1,
            data_segs_out: history.grown(&t::DATA_SEGS_OUT).unwrap_or(0),
            retrans,
        };
        self.sum.add(peer);
        let remote = history.example.remote.address.to_canonical();
        if self.peers.len() < REMOTES || self.peers.contains_key(&remote) {
            self.peers.entry(remote).or_default().add(peer);
        }
        // A handshake alone is no round trip of the path: its answer may have had to be repeated.
        if self.rtts.len() < RTTS
            && peer.data_segs_out >= TOLD
            && let Some(rtt) = history.rtt()
        {
            self.rtts.push(rtt);
        }
    }
}

/// All groups.
#[derive(Debug, Clone, Default)]
pub struct Groups(FxHashMap<GroupKey, Group>);

impl Groups {
    pub(super) fn add(&mut self, history: &ConnectionHistory) {
        self.0.entry(GroupKey::of(&history.example)).or_default().add(history);
    }

    /// Adds one that did nothing.
    pub(super) fn add_quiet(&mut self, history: &ConnectionHistory) {
        let group = self.group(GroupKey::of(&history.example));
        group.alive += 1;
        group.example.get_or_insert(history.example);
    }

    /// The group of a key, made if there is none.
    pub(super) fn group(&mut self, key: GroupKey) -> &mut Group {
        self.0.entry(key).or_default()
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&GroupKey, &Group)> {
        self.0.iter()
    }
}
