//! The sums of a sample.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::counters::{Counters, Kind, indicates_problem};
use crate::model::{Endpoint, State, fields};
use crate::report::{Change, Connection, GroupKey, GroupTable, KeyValue, SampleSums};

/// As many listeners with waiting or dropped connections are kept. The rest is counted.
const MOST_LISTENERS: usize = 1000;

/// Counters of which the share of retransmits is made.
pub(super) const RETRANSMITTED: &str = "TcpRetransSegs";
/// See [`RETRANSMITTED`].
pub(super) const SENT: &str = "TcpOutSegs";

/// Sockets by address family.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Families {
    /// IPv4.
    pub ipv4: u64,
    /// IPv6, with IPv4 carried in it.
    pub ipv6: u64,
}

/// A listener at which connections wait, or that discarded segments.
#[derive(Debug, Clone, PartialEq)]
pub struct TroubledListener {
    /// Where it listens.
    pub local: Endpoint,
    /// Name of the interface that it is bound to.
    pub interface: Option<Box<str>>,
    /// Connections that wait for `accept()`.
    pub accept_queue: u64,
    /// Its limit: one more fits.
    pub accept_queue_max: u64,
    /// Segments that it discarded over its life.
    pub drops: u64,
    /// The same since the previous sample.
    pub drops_delta: Option<u64>,
    /// Its service.
    pub service: Option<KeyValue>,
}

impl TroubledListener {
    /// The worst first: full queues, then the most drops.
    fn rank(&self) -> impl Ord + use<> {
        let is_full = self.accept_queue > self.accept_queue_max;
        let drops = self.drops_delta.unwrap_or(self.drops);
        (Reverse((is_full, drops, self.accept_queue)), self.local.port, self.local.address)
    }
}

/// All of it.
#[derive(Debug)]
pub struct SummarySums {
    /// Sockets.
    pub sockets: u64,
    /// Sockets that are new since the previous sample.
    pub opened: u64,
    /// Sockets that are gone since then.
    pub closed: u64,
    states: [u64; 16],
    /// By family.
    pub families: Families,
    /// Connections that their programs have closed, and that are not over yet.
    pub orphaned: u64,
    /// Connections by service.
    pub services: GroupTable,
    /// By the peer's address.
    pub remotes: GroupTable,
    /// By process; `None` if processes are not looked up.
    pub processes: Option<GroupTable>,
    /// Listeners.
    pub listeners: u64,
    /// Those at which connections wait, and those that discarded segments.
    pub waiting: u64,
    /// See `waiting`.
    pub dropped: u64,
    /// Those of either kind.
    pub troubled_count: u64,
    troubled: Vec<TroubledListener>,
    /// Counters that indicate problems, and those of segments; `None` where this sample has none.
    pub counters: BTreeMap<Box<str>, Option<i64>>,
    /// The same of the previous sample.
    pub before: Option<BTreeMap<Box<str>, Option<i64>>>,
    /// Samples so far.
    samples: u64,
}

impl SummarySums {
    /// Nothing. `repeats`: whether there are several samples.
    pub fn new(repeats: bool, with_processes: bool) -> Self {
        let by = |key: GroupKey| GroupTable::counting(vec![key], repeats);
        Self {
            sockets: 0,
            opened: 0,
            closed: 0,
            states: [0; 16],
            families: Families::default(),
            orphaned: 0,
            services: by(GroupKey::Service),
            remotes: by(GroupKey::Remote),
            processes: with_processes.then(|| by(GroupKey::Process)),
            listeners: 0,
            waiting: 0,
            dropped: 0,
            troubled_count: 0,
            troubled: Vec::new(),
            counters: BTreeMap::new(),
            before: None,
            samples: 0,
        }
    }

    /// The states that occur, and how many sockets are in each.
    pub fn states(&self) -> impl Iterator<Item = (State, u64)> + '_ {
        let count = |state: State| self.states.get(state as usize).copied().unwrap_or(0);
        State::ALL
            .into_iter()
            .map(move |state| (state, count(state)))
            .filter(|(_, count)| *count > 0)
    }

    /// Listeners with waiting or dropped connections: full queues first, then the most drops.
    pub fn troubled(&self) -> Vec<&TroubledListener> {
        let mut listeners: Vec<&TroubledListener> = self.troubled.iter().collect();
        listeners.sort_by_key(|it| it.rank());
        listeners.truncate(MOST_LISTENERS);
        listeners
    }

    fn add_listener(&mut self, row: &Connection<'_>) {
        self.listeners += 1;
        let read = |field| crate::model::Field::integer(field, row.socket).unwrap_or(0);
        let drops_delta = row.delta.and_then(|delta| delta.growth(&fields::DROPS));
        let (accept_queue, drops) = (read(&fields::ACCEPT_QUEUE), read(&fields::DROPS));
        // With several samples, drops of earlier days are no news.
        let has_dropped = match self.samples > 1 {
            true => drops_delta.is_some_and(|drops| drops > 0),
            false => drops > 0,
        };
        self.waiting += u64::from(accept_queue > 0);
        self.dropped += u64::from(has_dropped);
        if accept_queue == 0 && !has_dropped {
            return;
        }
        self.troubled_count += 1;
        if self.troubled.len() == 2 * MOST_LISTENERS {
            self.troubled.sort_by_key(TroubledListener::rank);
            self.troubled.truncate(MOST_LISTENERS);
        }
        self.troubled.push(TroubledListener {
            local: row.socket.local,
            interface: row.interface.and_then(|interface| interface.name).map(Into::into),
            accept_queue,
            accept_queue_max: read(&fields::ACCEPT_QUEUE_MAX),
            drops,
            drops_delta,
            service: row.service.is_some().then(|| GroupKey::Service.value(row)),
        });
    }
}

impl SampleSums for SummarySums {
    fn begin(&mut self) {
        // The map of the sample before that is filled again: it has the names already.
        let reused = self.before.take().unwrap_or_default();
        let before = std::mem::replace(&mut self.counters, reused);
        self.counters.values_mut().for_each(|sum| *sum = None);
        self.before = (self.samples > 0).then_some(before);
        self.samples += 1;
        (self.sockets, self.opened, self.closed, self.orphaned) = (0, 0, 0, 0);
        (self.listeners, self.waiting, self.dropped, self.troubled_count) = (0, 0, 0, 0);
        self.states = [0; 16];
        self.families = Families::default();
        self.troubled.clear();
        self.services.begin();
        self.remotes.begin();
        if let Some(processes) = &mut self.processes {
            processes.begin();
        }
    }

    fn add(&mut self, row: &Connection<'_>) {
        let socket = row.socket;
        if row.change == Some(Change::Closed) {
            self.closed += 1;
        } else {
            self.opened += u64::from(row.change == Some(Change::Opened));
            self.sockets += 1;
            if let Some(count) = self.states.get_mut(socket.state as usize) {
                *count += 1;
            }
            match socket.local.address.is_ipv4() {
                true => self.families.ipv4 += 1,
                false => self.families.ipv6 += 1,
            }
            let is_closing = matches!(
                socket.state,
                State::FinWait1 | State::FinWait2 | State::LastAck | State::Closing
            );
            self.orphaned += u64::from(is_closing && socket.inode == 0);
            if socket.state == State::Listen {
                return self.add_listener(row);
            }
        }
        if socket.state == State::Listen {
            return;
        }
        self.services.add(row);
        if socket.remote.port != 0 {
            self.remotes.add(row);
        }
        if let Some(processes) = &mut self.processes {
            processes.add(row);
        }
    }

    fn add_counters(&mut self, counters: &Counters) {
        for (name, kind, value) in counters.with_kinds() {
            let is_wanted = kind == Kind::Counter
                && (name == RETRANSMITTED || name == SENT || indicates_problem(name));
            if is_wanted {
                match self.counters.get_mut(name) {
                    Some(sum) => *sum = Some(sum.unwrap_or(0).saturating_add(value)),
                    None => {
                        self.counters.insert(name.into(), Some(value));
                    }
                }
            }
        }
    }
}
