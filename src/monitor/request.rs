//! What a poll asks for.

use std::time::Instant;

use crate::model::{Families, State, StateSet};
use crate::socket_diag::Query;
use crate::wire::Extensions;

/// All states of connections: listeners are read before, and TIME-WAIT records are no sockets
/// any more and mostly the larger part.
const CONNECTIONS: StateSet = StateSet::of(&[
    State::Established,
    State::SynSent,
    State::SynRecv,
    State::FinWait1,
    State::FinWait2,
    State::CloseWait,
    State::LastAck,
    State::Closing,
]);

/// One poll of a namespace.
#[derive(Debug, Clone, Copy)]
pub struct PollRequest<'q> {
    /// When the poll began.
    pub at: Instant,
    /// Whether it ends an interval: then levels are counted too, and owners checked again.
    pub ends_interval: bool,
    /// Whether the counters are read before and after the dump.
    pub reads_counters: bool,
    /// Whether the first reading of the counters was made just now, by
    /// [`NamespaceMonitor::has_moved`](super::NamespaceMonitor::has_moved).
    pub counters_are_read: bool,
    /// Whether services are named, so that the holders of listeners have to be known.
    pub names_services: bool,
    /// Whether holders that were looked up are needed again in the next poll.
    pub keeps_owners: bool,
    /// The query for connections. Listeners are read before them, and delivered too if their state
    /// is requested.
    pub query: Query<'q>,
    /// Descriptors that may be read to see whether a listener's program holds its connections;
    /// `None` for as many as it takes. Beyond them it is assumed, and `quality` counts it.
    pub most_descriptors: Option<u64>,
    /// How often a dump is read again if the kernel reports that it was disturbed. Only for
    /// consumers that can discard what they received.
    pub dump_tries: u32,
}

impl PollRequest<'_> {
    /// Descriptors that a command which runs once reads to confirm the holders of connections: some
    /// 12 ms.
    pub const FEW_DESCRIPTORS: u64 = 4096;

    /// A poll of all connections with the attributes that attribution needs.
    pub fn of_connections(at: Instant, ends_interval: bool) -> Self {
        Self {
            at,
            ends_interval,
            reads_counters: true,
            counters_are_read: false,
            names_services: true,
            keeps_owners: false,
            query: Query {
                families: Families::BOTH,
                states: CONNECTIONS.union(StateSet::of(&[State::Listen])),
                extensions: Extensions::INFO.with(Extensions::SKMEMINFO),
                local_port: 0,
                remote_port: 0,
                program: &[],
            },
            most_descriptors: None,
            dump_tries: 1,
        }
    }
}
