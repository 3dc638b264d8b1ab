//! What is kept of a network namespace while it is polled.

use std::time::Duration;

use rustc_hash::{FxHashMap, FxHashSet};

use super::connection_history::ConnectionHistory;
use super::ending::{is_failed_connect, is_wiped, was_never_connected};
use super::evidence::Lifecycle;
use super::finding::Example;
use super::groups::{GroupKey, Groups, Towards};
use super::host::HostHistory;
use super::listening::ListenerHistory;
use super::looks::Inflation;
use super::registry::RuleLimits;
use crate::counters::CounterWidth;
use crate::identity::{ListenAddress, Listeners};
use crate::model::{Endpoint, Role, RoleBasis, Socket, State};
use crate::monitor::HostReading;
use crate::tracking::SocketTable;

/// Ended connections that are kept to be judged. Further ones are only counted.
const MAX_ENDED: usize = 16_384;

/// What is diagnosed.
#[derive(Debug, Clone)]
pub struct Question {
    /// The limits of all rules.
    pub limits: RuleLimits,
    /// Whether each rule of [`RULES`](super::RULES) applies, in the same order.
    pub asked: Vec<bool>,
    /// Bytes per second that each connection should reach.
    pub target_rate: Option<f64>,
    /// The width of the host's counters.
    pub width: CounterWidth,
}

/// The diagnosis of one network namespace.
///
/// A poll is [`begin`](Self::begin), then [`observe`](Self::observe) for every record of a dump
/// and [`on_destroy`](Self::on_destroy) for every destroy event, in any order, then
/// [`end`](Self::end). Polls that show no new socket allocate nothing.
#[derive(Debug)]
pub struct Diagnosis {
    pub(super) question: Question,
    /// Whether a filter leaves sockets out.
    pub(super) is_filtered: bool,
    inflation: Inflation,
    pub(super) histories: SocketTable<ConnectionHistory>,
    pub(super) listeners: FxHashMap<u64, ListenerHistory>,
    /// Ended connections to be judged.
    pub(super) ended: Vec<ConnectionHistory>,
    /// Ended connections beyond [`MAX_ENDED`].
    pub(super) unjudged: u64,
    /// Those of them that dumps no longer show although no destroy event told their end.
    vanished: FxHashSet<u64>,
    pub(super) lost_events: bool,
    /// Destroy events are received.
    pub(super) has_events: bool,
    /// The services' sums over ended connections.
    pub(super) groups: Groups,
    /// Sockets in TIME-WAIT in this poll, by group, and by local address and remote end.
    pub(super) waiting: FxHashMap<GroupKey, (Example, u64)>,
    pub(super) waiting_towards: FxHashMap<Towards, u64>,
    /// Requests in SYN-RECV in this poll, by their local end and interface.
    requests: FxHashMap<(Endpoint, u32), u32>,
    /// The same by the listener that they may wait on.
    waiting_on: FxHashMap<u64, u32>,
    /// The listeners of this poll and of the one before, in the kernel's order.
    listed: [Vec<(ListenAddress, u64)>; 2],
    /// Their ports.
    listening_ports: FxHashSet<u16>,
    /// The same, to find those that requests wait on.
    pub(super) listening: Listeners,
    pub(super) host: HostHistory,
    /// Number of the poll.
    pub(super) poll: u32,
    /// When it began, since the first.
    pub(super) at: Duration,
    /// Connections that it has shown.
    shown: usize,
}

impl Diagnosis {
    /// A diagnosis that has observed nothing yet.
    pub fn new(question: Question) -> Self {
        let queueing = question.limits.queueing;
        let host = HostHistory::new(question.width);
        Self {
            inflation: Inflation { times: queueing.times, least_us: queueing.more * 1e3 },
            question,
            is_filtered: false,
            histories: SocketTable::default(),
            listeners: FxHashMap::default(),
            ended: Vec::new(),
            unjudged: 0,
            vanished: FxHashSet::default(),
            lost_events: false,
            has_events: false,
            groups: Groups::default(),
            waiting: FxHashMap::default(),
            waiting_towards: FxHashMap::default(),
            requests: FxHashMap::default(),
            waiting_on: FxHashMap::default(),
            listed: Default::default(),
            listening_ports: FxHashSet::default(),
            listening: Listeners::default(),
            host,
            poll: 0,
            at: Duration::ZERO,
            shown: 0,
        }
    }

    /// The same, of those sockets only that a filter passes: host counters may be about others.
    #[must_use]
    pub fn filtered(self, is_filtered: bool) -> Self {
        Self { is_filtered, ..self }
    }

    /// Begins a poll, `at` after the first one.
    pub fn begin(&mut self, at: Duration) {
        self.at = at;
        self.poll += 1;
        self.histories.rewind();
        self.waiting.clear();
        self.waiting_towards.clear();
        self.requests.clear();
        self.listed.swap(0, 1);
        self.listed[0].clear();
        self.shown = 0;
    }

    /// Takes a record of the dump and the role of its socket.
    #[inline]
    pub fn observe(&mut self, socket: &Socket, (role, basis): (Role, RoleBasis)) {
        match socket.state {
            State::Listen => return self.observe_listener(socket),
            State::SynRecv => {
                *self.requests.entry((socket.local, socket.interface)).or_default() += 1;
                return;
            }
            State::TimeWait => return self.observe_time_wait(socket, role),
            State::Close | State::BoundInactive => return,
            _ if socket.is_minisock() => return,
            _ => {}
        }
        let (at, poll, inflation) = (self.at, self.poll, self.inflation);
        let slot = self.histories.find(socket.cookie);
        let Some(history) = slot.and_then(|slot| self.histories.get_mut(slot)) else {
            let history = ConnectionHistory::new(socket, role, poll > 1, at, poll, inflation);
            let slot = self.histories.push(history);
            self.histories.expect_after(slot);
            self.shown += 1;
            return;
        };
        if history.last_poll != poll {
            // The kernel may send a socket twice in one dump; the first record counts.
            history.learn_role(role, basis);
            history.update(socket, at, poll, inflation);
            self.shown += 1;
        }
    }

    fn observe_listener(&mut self, socket: &Socket) {
        let poll = self.poll;
        self.listed[0].push((ListenAddress::of(socket), socket.cookie));
        self.listeners
            .entry(socket.cookie)
            .and_modify(|history| history.update(socket, poll))
            .or_insert_with(|| ListenerHistory::new(socket, poll));
    }

    fn observe_time_wait(&mut self, socket: &Socket, role: Role) {
        let port = if role == Role::Client { socket.remote.port } else { socket.local.port };
        let key = GroupKey { role: role.name(), port };
        let (_, count) = self.waiting.entry(key).or_insert_with(|| (Example::of(socket, role), 0));
        *count += 1;
        if role == Role::Client {
            let towards = Towards::of(&Example::of(socket, role));
            *self.waiting_towards.entry(towards).or_default() += 1;
        }
    }

    /// Takes a destroy event and the role of its socket, as far as that is known.
    pub fn on_destroy(&mut self, event: &Socket, role: Role) {
        if self.poll == 0 || self.vanished.remove(&event.cookie) {
            return;
        }
        let known = self.histories.look_up(event.cookie);
        if known.is_none() && is_wiped(event) {
            return self.add_wiped(event);
        }
        // Only clients connect.
        let failed = event.tcp_info.as_ref().is_some_and(is_failed_connect);
        let role = if failed { Role::Client } else { role };
        let history = match known {
            Some(slot) => self.histories.swap_remove(slot).map(|mut history| {
                self.shown -= usize::from(history.last_poll == self.poll).min(self.shown);
                history.on_destroy(event, self.at);
                history
            }),
            // The first dump showed every connection that was open before it, so this one was
            // opened later.
            None => Some(ConnectionHistory::from_destroy_event(event, role, self.at, self.poll)),
        };
        if let Some(history) = history {
            self.finish(history);
        }
    }

    /// Counts a connect that failed between two polls, or a connection that was dropped with a reset.
    /// The kernel has forgotten all but the local port and the peer's address.
    fn add_wiped(&mut self, event: &Socket) {
        if event.remote.address.is_unspecified() {
            return;
        }
        let failed = was_never_connected(event);
        let is_server = !failed && self.listening_ports.contains(&event.local.port);
        let role = if is_server { Role::Server } else { Role::Client };
        self.groups.add_wiped(Example::of(event, role), failed);
    }

    /// Destroy events were lost: connections that vanish may have ended in any way.
    pub fn lose_events(&mut self) {
        self.lost_events = true;
    }

    /// Ends a poll. `whole`: the dump was complete; `events`: destroy events are received.
    pub fn end(&mut self, whole: bool, events: bool) {
        self.has_events = events;
        self.count_requests();
        if !whole || self.shown == self.histories.len() {
            return;
        }
        // A destroy event may arrive one poll after the dump that lacks its socket.
        let grace = if events { 2 } else { 1 };
        for slot in (0..self.histories.len()).rev() {
            let history = self.histories.get(slot);
            let gone = history.is_some_and(|history| history.last_poll + grace <= self.poll);
            if gone && let Some(mut history) = self.histories.swap_remove(slot) {
                history.lifecycle = Lifecycle::Vanished;
                history.has_events = events && !self.lost_events;
                if events && self.vanished.len() < MAX_ENDED {
                    // Its event comes when its program closes it.
                    self.vanished.insert(history.example.cookie);
                }
                self.finish(history);
            }
        }
        let poll = self.poll;
        self.listeners.retain(|_, history| history.last_poll == poll);
    }

    /// Counts the requests in SYN-RECV that wait on each listener. The kernel does not report on
    /// which listener of a SO_REUSEPORT group one waits; it spreads them evenly.
    fn count_requests(&mut self) {
        let [listed, before] = &self.listed;
        if listed != before {
            self.listening.clear();
            listed.iter().for_each(|(at, cookie)| self.listening.insert(*at, *cookie));
            self.listening_ports.clear();
            let listeners = self.listeners.values();
            self.listening_ports.extend(listeners.map(|one| one.example.local.port));
        }
        self.waiting_on.clear();
        for ((local, interface), count) in &self.requests {
            let Some(group) = self.listening.find_request(*local, *interface) else { continue };
            let members = u32::try_from(group.cookies.len()).unwrap_or(u32::MAX).max(1);
            for cookie in &group.cookies {
                *self.waiting_on.entry(*cookie).or_default() += count.div_ceil(members);
            }
        }
        for (cookie, history) in &mut self.listeners {
            let requests = self.waiting_on.get(cookie).copied().unwrap_or(0);
            history.requests_now = requests;
            history.requests = history.requests.max(requests);
        }
    }

    /// Whether a connection is known.
    pub fn knows(&self, cookie: u64) -> bool {
        self.histories.look_up(cookie).is_some()
    }

    /// Connections that are known.
    pub fn len(&self) -> usize {
        self.histories.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.histories.len() == 0
    }

    /// Takes a reading of the host.
    pub fn read_host(&mut self, reading: HostReading) {
        self.host.read(reading, u64::try_from(self.at.as_millis()).unwrap_or(u64::MAX));
    }

    /// Drops a connection that turned out not to match the filter.
    pub fn forget(&mut self, cookie: u64) {
        if let Some(slot) = self.histories.look_up(cookie) {
            self.histories.swap_remove(slot);
            self.shown = self.shown.saturating_sub(1);
        }
    }

    fn finish(&mut self, history: ConnectionHistory) {
        self.groups.add(&history);
        if !history.needs_judging() {
        } else if self.ended.len() < MAX_ENDED {
            self.ended.push(history);
        } else {
            self.unjudged += 1;
        }
    }
}
