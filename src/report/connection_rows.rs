//! Makes the rows of `conns` and `listeners` from polls.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Instant;

use rustc_hash::FxHashMap;

use super::{Change, Connection, KeptConnection, ListenerGroupEntry};
use crate::counters::Counters;
use crate::filter::{Plan, Verdict};
use crate::identity::{ListenAddress, Listeners, ServiceBasis, ServiceId};
use crate::model::{Endpoint, Role, RoleBasis, Socket, State, StateSet};
use crate::monitor::{
    Consumer, Identities, Identity, Interest, Interfaces, Level, Namespace, PollBegun, PollEnded,
    Processes, Quality, SocketFilter,
};
use crate::tracking::{Delta, Latest, Movement};

/// Which rows are made, and what has to be known of them; the same for every sample.
#[derive(Debug)]
pub struct RowOptions {
    /// Which sockets have rows.
    pub filter: SocketFilter,
    /// What the kernel is asked for.
    pub plan: Plan,
    /// What has to be known of a row.
    pub level: Level,
    /// Whether rows have their namespace.
    pub many_namespaces: bool,
    /// Whether there are several samples, so that rows have deltas.
    pub repeats: bool,
    /// Whether requests in SYN-RECV are counted for listeners.
    pub count_requests: bool,
}

impl RowOptions {
    /// The states to ask for. A connection that only leaves the states that are shown has not
    /// vanished: when samples repeat, all that it may go through are read.
    pub(super) fn states(&self) -> StateSet {
        let mut states = self.plan.states;
        if self.repeats && !self.count_requests {
            states = states.union(StateSet::DEFAULT).union(StateSet::of(&[State::SynSent]));
        }
        if self.count_requests {
            states = states.union(StateSet::of(&[State::SynRecv]));
        }
        states
    }
}

/// Takes the rows of a sample, of all its namespaces.
pub trait RowSink {
    /// When the sample was taken, RFC 3339.
    fn captured_at(&self) -> Rc<str>;

    /// Takes a row.
    fn row(&mut self, row: &Connection<'_>);

    /// Whether it takes no more rows of this sample.
    fn is_over(&mut self) -> bool;

    /// Removes the rows of a namespace but those of listeners: its dump of connections is read again. Only called where
    /// [`holds_rows`](Self::holds_rows).
    fn remove(&mut self, netns: &Namespace);

    /// Whether rows can be removed until the sample ends.
    fn holds_rows(&self) -> bool;

    /// A namespace was polled: the records that the kernel sent, and what limits their
    /// reliability; and the counters after it, where they are read.
    fn poll_ended(&mut self, dumped: u64, quality: &Quality, counters: &Counters);
}

/// What is remembered of a socket that was shown.
#[derive(Debug, Clone, Copy)]
struct Shown {
    role: (Role, RoleBasis),
    service: Option<(ServiceId, ServiceBasis)>,
}

/// The rows of one namespace.
#[derive(Debug)]
pub(super) struct ConnectionRows<S> {
    options: Rc<RowOptions>,
    sink: Rc<RefCell<S>>,
    namespace: Namespace,
    latest: Latest,
    /// Sockets that were shown in this sample or the one before.
    shown: FxHashMap<u64, Shown>,
    /// Growth of the sockets of this sample that are still to be identified.
    movements: FxHashMap<u64, (Option<Delta>, Option<Change>)>,
    /// Requests in SYN-RECV, and the listeners that they may wait on.
    requests: Vec<(Endpoint, u32)>,
    listeners: Listeners,
    /// Rows of listeners, which wait for the requests to be counted.
    waiting: Vec<KeptConnection>,
    began: Option<Instant>,
    interval_s: Option<f64>,
}

impl<S: RowSink> ConnectionRows<S> {
    pub(super) fn new(options: Rc<RowOptions>, sink: Rc<RefCell<S>>, namespace: Namespace) -> Self {
        Self {
            options,
            sink,
            namespace,
            latest: Latest::new(),
            shown: FxHashMap::default(),
            movements: FxHashMap::default(),
            requests: Vec::new(),
            listeners: Listeners::default(),
            waiting: Vec::new(),
            began: None,
            interval_s: None,
        }
    }

    /// The requests that wait on each listener. The kernel does not report on which listener of a
    /// SO_REUSEPORT group one waits.
    fn count_requests(&mut self) {
        let mut counts: FxHashMap<u64, (u64, u64)> = FxHashMap::default();
        for (local, interface) in &self.requests {
            let Some(group) = self.listeners.find_request(*local, *interface) else { continue };
            for cookie in &group.cookies {
                let (members, count) = counts.entry(*cookie).or_default();
                *members = group.cookies.len() as u64;
                *count += 1;
            }
        }
        for row in &mut self.waiting {
            let cookie = row.socket().cookie;
            let at = ListenAddress::of(row.socket());
            let listeners = self.listeners.group(&at).map_or(1, |group| group.cookies.len() as u64);
            let (_, requests) = counts.get(&cookie).copied().unwrap_or_default();
            if listeners > 1 {
                row.set_group(ListenerGroupEntry { listeners, syn_recv: requests });
            } else {
                row.set_requests(requests);
            }
        }
    }

    /// Shows the connections that are gone as they were last seen, if they were shown then.
    fn show_closed(&mut self, identities: &Identities<'_>, interfaces: &mut Interfaces) {
        let mut vanished = Vec::new();
        self.latest.end(|socket| vanished.push(*socket));
        let mut sink = self.sink.borrow_mut();
        let captured_at = sink.captured_at();
        for socket in &vanished {
            let Some(shown) = self.shown.remove(&socket.cookie) else { continue };
            interfaces.learn(socket.interface);
            let key = shown.service.and_then(|(service, _)| identities.registry.key(service));
            let (role, role_basis) = shown.role;
            let row = Connection {
                socket,
                role,
                role_basis,
                service: key.map(|key| &*key.name),
                service_basis: shown.service.map(|(_, basis)| basis),
                netns: self.options.many_namespaces.then_some(&self.namespace),
                interface: interfaces.interface(socket.interface),
                cgroup_path: None,
                unit: None,
                container: None,
                processes: Processes::NotAsked,
                change: Some(Change::Closed),
                repeats: true,
                captured_at: &captured_at,
                delta: None,
                interval_s: self.interval_s,
                syn_recv: None,
                group: None,
                ended: None,
                remote_name: None,
            };
            sink.row(&row);
        }
    }
}

impl<S: RowSink> Consumer for ConnectionRows<S> {
    fn begin(&mut self, poll: &PollBegun<'_>) {
        let before = self.began.replace(poll.at);
        self.interval_s = before.map(|before| (poll.at - before).as_secs_f64());
        self.latest.begin();
        self.movements.clear();
        self.requests.clear();
        self.listeners.clear();
        self.waiting.clear();
    }

    fn restart(&mut self) {
        self.sink.borrow_mut().remove(&self.namespace);
        self.requests.clear();
    }

    #[inline]
    fn observe(&mut self, socket: &Socket) -> Interest {
        let options = &*self.options;
        if options.count_requests {
            match socket.state {
                State::SynRecv => self.requests.push((socket.local, socket.interface)),
                State::Listen => self.listeners.add(socket),
                _ => {}
            }
        }
        if options.repeats {
            let movement = match self.latest.observe(socket) {
                Movement::First => (None, None),
                Movement::Opened => (None, Some(Change::Opened)),
                Movement::Stayed(delta) => (Some(delta), None),
                Movement::Again => return Interest::NOTHING,
            };
            self.movements.insert(socket.cookie, movement);
        }
        let passes = options.filter.by_figures(socket, &self.namespace) != Verdict::No;
        if !passes {
            self.shown.remove(&socket.cookie);
        }
        if !passes || !options.plan.states.contains(socket.state) {
            self.movements.remove(&socket.cookie);
            return Interest::NOTHING;
        }
        let previous = self.shown.get(&socket.cookie).map(|shown| shown.role);
        Interest { level: options.level, previous }
    }

    fn identified(
        &mut self,
        socket: &Socket,
        identity: &Identity<'_>,
        interfaces: &mut Interfaces,
    ) -> ControlFlow<()> {
        let options = &*self.options;
        let (delta, change) = self.movements.remove(&socket.cookie).unwrap_or_default();
        if !options.filter.passes(socket, &self.namespace, identity) {
            self.shown.remove(&socket.cookie);
            return ControlFlow::Continue(());
        }
        if options.repeats {
            let service = identity.identified.map(|it| (it.service, it.service_basis));
            let role = (identity.role, identity.role_basis);
            self.shown.insert(socket.cookie, Shown { role, service });
        }
        interfaces.learn(socket.interface);
        let mut sink = self.sink.borrow_mut();
        let captured_at = sink.captured_at();
        let row = Connection {
            socket,
            role: identity.role,
            role_basis: identity.role_basis,
            service: identity.service(),
            service_basis: identity.service_basis(),
            netns: options.many_namespaces.then_some(&self.namespace),
            interface: interfaces.interface(socket.interface),
            cgroup_path: identity.owner.cgroup_path,
            unit: identity.placement.unit.as_deref(),
            container: identity.placement.container.as_deref(),
            processes: if options.level == Level::Processes {
                identity.owner.processes()
            } else {
                Processes::NotAsked
            },
            change,
            repeats: options.repeats,
            captured_at: &captured_at,
            delta: delta.as_ref(),
            interval_s: self.interval_s,
            syn_recv: None,
            group: None,
            ended: None,
            remote_name: None,
        };
        if options.count_requests {
            self.waiting.push(KeptConnection::of(&row));
        } else {
            sink.row(&row);
        }
        if sink.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn end(&mut self, poll: PollEnded<'_>, identities: &mut Identities<'_>) {
        self.count_requests();
        let mut sink = self.sink.borrow_mut();
        let [_, counters] = poll.counters;
        sink.poll_ended(poll.dumped, poll.quality, counters);
        let captured_at = sink.captured_at();
        for row in self.waiting.drain(..) {
            row.with(&captured_at, |row| sink.row(row));
        }
        let is_over = sink.is_over();
        drop(sink);
        if self.options.repeats && !is_over {
            self.show_closed(identities, poll.interfaces);
        }
    }
}
