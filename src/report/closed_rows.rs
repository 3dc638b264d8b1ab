//! Makes a row of each connection that ends, from polls and destroy events.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use super::{Connection, End, Ended, Lifetime};
use crate::diagnosis::{
    EndedConnection, Lifecycle, is_failed_connect, is_wiped, was_never_connected,
};
use crate::filter;
use crate::identity::{Identified, ServiceRegistry};
use crate::model::fields::tcp_info as t;
use crate::model::{Role, RoleBasis, Socket, State};
use crate::monitor::{
    Consumer, Holder, Identities, Identity, Interest, Interfaces, Level, Namespace, PollBegun,
    PollEnded, Processes, Quality, SocketFilter,
};
use crate::tracking::{Activity, Observed, SocketTracker, Watch};

/// A connection that is in no dump and has no destroy event after so many polls has ended: its
/// program still holds it. The event of one that its program closed comes a poll later at most.
const GRACE: u32 = 2;

/// What concerns all namespaces of a run.
#[derive(Debug)]
pub struct ClosedContext {
    /// Which connections have rows.
    pub filter: SocketFilter,
    /// Whether rows have their namespace.
    pub many_namespaces: Cell<bool>,
    /// The time of the current poll, in nanoseconds since 1970.
    pub realtime_ns: Cell<u64>,
}

/// Takes the rows.
pub trait ClosedSink {
    /// Takes a row.
    fn row(&mut self, row: &Connection<'_>);

    /// A namespace was polled: what limits the reliability of its rows.
    fn poll_ended(&mut self, quality: &Quality);
}

/// LastOwner has a connection, as of the last time that was looked up.
#[derive(Debug)]
struct LastOwner {
    identified: Option<Identified>,
    holders: Vec<(u32, Box<str>, u32)>,
    omitted: u64,
    is_hidden: bool,
    cgroup_path: Option<Box<str>>,
    unit: Option<Box<str>>,
    container: Option<Box<str>>,
}

/// A connection that is watched.
#[derive(Debug)]
struct Watched {
    socket: Socket,
    /// The last poll before it began; `None` if the first poll had it.
    born_after: Option<Instant>,
    /// It is at least as old as from here on.
    born_by: Instant,
    opened_at_ns: u64,
    /// The number and time of the last poll that showed it.
    poll: u32,
    seen: Instant,
    /// The first poll that no longer showed it.
    missed: Option<(Instant, u64)>,
    /// It has a row already.
    is_reported: bool,
    who: Option<Box<LastOwner>>,
}

/// The rows of one namespace.
#[derive(Debug)]
pub(super) struct ClosedRows<S> {
    context: Rc<ClosedContext>,
    sink: Rc<RefCell<S>>,
    namespace: Namespace,
    tracker: SocketTracker,
    watched: FxHashMap<u64, Watched>,
    /// Destroy events of this poll, and what they identify.
    events: FxHashMap<u64, (Socket, Option<Identified>)>,
    ended: Vec<Activity>,
    poll: u32,
    /// Watched connections that this poll has shown.
    shown: usize,
    now: Option<Instant>,
    before: Option<Instant>,
}

/// When a connection that ended was last and first known to be otherwise.
struct EndedRow<'a> {
    watched: Option<&'a Watched>,
    event: Option<&'a (Socket, Option<Identified>)>,
    /// The polls between which it ended, and the time of the second.
    between: (Instant, Instant),
    closed_at_ns: u64,
    in_baseline: bool,
    zeroed: bool,
    has_events: bool,
}

impl<S: ClosedSink> ClosedRows<S> {
    pub(super) fn new(
        context: Rc<ClosedContext>,
        sink: Rc<RefCell<S>>,
        namespace: Namespace,
    ) -> Self {
        Self {
            context,
            sink,
            namespace,
            tracker: SocketTracker::new(),
            watched: FxHashMap::default(),
            events: FxHashMap::default(),
            ended: Vec::new(),
            poll: 0,
            shown: 0,
            now: None,
            before: None,
        }
    }

    /// Reports the connections that have ended.
    fn report_ended(
        &mut self,
        has_events: bool,
        identities: &Identities<'_>,
        interfaces: &mut Interfaces,
    ) {
        let Some(now) = self.now else { return };
        let closed_at_ns = self.context.realtime_ns.get();
        for activity in std::mem::take(&mut self.ended) {
            let watched = self.watched.remove(&activity.cookie);
            let watched = watched.as_ref();
            if watched.is_some_and(|watched| watched.is_reported) {
                continue;
            }
            let missed = watched.and_then(|watched| watched.missed);
            let event = self.events.get(&activity.cookie);
            // Without an event it ended before the first poll that missed it.
            let (by, at_ns) = missed.filter(|_| event.is_none()).unwrap_or((now, closed_at_ns));
            let since = watched.map_or(self.before, |watched| Some(watched.seen)).unwrap_or(now);
            let row = EndedRow {
                watched,
                event,
                between: (since, by),
                closed_at_ns: at_ns,
                in_baseline: activity.in_baseline,
                zeroed: activity.wiped,
                has_events,
            };
            self.report(&row, identities.registry, interfaces);
        }
    }

    /// Reports the connections that ended while their programs hold them on.
    fn report_held(
        &mut self,
        has_events: bool,
        identities: &Identities<'_>,
        interfaces: &mut Interfaces,
    ) {
        let mut held = Vec::new();
        for (cookie, watched) in &mut self.watched {
            if watched.poll == self.poll || watched.is_reported {
                continue;
            }
            let missed = watched.missed;
            let first = self.now.map(|now| (now, self.context.realtime_ns.get()));
            watched.missed = missed.or(first);
            if watched.poll + GRACE <= self.poll && has_events {
                watched.is_reported = true;
                held.push(*cookie);
            }
        }
        for cookie in held {
            let Some(watched) = self.watched.get(&cookie) else { continue };
            let Some((by, closed_at_ns)) = watched.missed else { continue };
            let row = EndedRow {
                watched: Some(watched),
                event: None,
                between: (watched.seen, by),
                closed_at_ns,
                in_baseline: watched.born_after.is_none(),
                zeroed: false,
                has_events,
            };
            self.report(&row, identities.registry, interfaces);
        }
    }

    /// Passes on the row of a connection that has ended, if it is wanted.
    fn report(&self, row: &EndedRow<'_>, registry: &ServiceRegistry, interfaces: &mut Interfaces) {
        let Some(socket) = row.socket() else { return };
        let who = row.watched.and_then(|watched| watched.who.as_deref());
        let by_event = row.event.and_then(|(_, identified)| *identified);
        let identified = who.and_then(|who| who.identified).or(by_event);
        let (mut role, mut role_basis) = identified
            .map_or((Role::Unknown, RoleBasis::NotConnected), |it| (it.role, it.role_basis));
        if role == Role::Unknown && row.is_failed_connect(&socket) {
            // Only clients connect.
            (role, role_basis) = (Role::Client, RoleBasis::TcpInfo);
        }
        let key = identified.and_then(|it| registry.key(it.service));
        let owned = who.map_or(&[][..], |who| &who.holders);
        let holders: Vec<Holder<'_>> =
            owned.iter().map(|(pid, comm, fd)| Holder { pid: *pid, comm, fd: *fd }).collect();
        let (unit, container) = match who {
            Some(who) => (who.unit.as_deref(), who.container.as_deref()),
            None => (None, None),
        };
        let named = |holder: &Holder<'_>| (holder.pid, holder.comm.to_owned());
        let names: Vec<(u32, String)> = holders.iter().map(named).collect();
        let processes: Vec<filter::Process<'_>> = names
            .iter()
            .map(|(pid, comm)| filter::Process { pid: *pid, comm, unit, container })
            .collect();
        let known = filter::Known {
            role,
            service: key.map(|key| filter::Service { name: &key.name, bare: &key.bare }),
            cgroup_path: who.and_then(|who| who.cgroup_path.as_deref()),
            owner: match who {
                None => filter::Owner::None,
                Some(who) if who.is_hidden => filter::Owner::Hidden,
                Some(_) if processes.is_empty() => filter::Owner::None,
                Some(_) => filter::Owner::Known(&processes),
            },
        };
        if !self.context.filter.passes_known(&socket, &self.namespace, known) {
            return;
        }
        interfaces.learn(socket.interface);
        let ended = row.ended(&socket, role);
        self.sink.borrow_mut().row(&Connection {
            socket: &socket,
            role,
            role_basis,
            service: key.map(|key| &*key.name),
            service_basis: identified.map(|it| it.service_basis),
            netns: self.context.many_namespaces.get().then_some(&self.namespace),
            interface: interfaces.interface(socket.interface),
            cgroup_path: who.and_then(|who| who.cgroup_path.as_deref()),
            unit,
            container,
            processes: match who {
                None => Processes::NotAsked,
                Some(who) if who.is_hidden => Processes::Hidden,
                Some(who) => Processes::Known { holders: &holders, omitted: who.omitted },
            },
            change: None,
            repeats: false,
            captured_at: "",
            delta: None,
            interval_s: None,
            syn_recv: None,
            group: None,
            ended: Some(&ended),
            remote_name: None,
        });
    }
}

impl EndedRow<'_> {
    /// Whether it is a connect that came to nothing, and that no poll has shown.
    fn is_failed_connect(&self, socket: &Socket) -> bool {
        let by_figures = || socket.tcp_info.as_ref().is_some_and(is_failed_connect);
        self.watched.is_none() && (was_never_connected(socket) || by_figures())
    }

    /// Its last figures, with the identity that polls showed: its event may have neither.
    fn socket(&self) -> Option<Socket> {
        let event = self.event.map(|(event, _)| event);
        let Some(watched) = self.watched else { return event.copied() };
        let seen = &watched.socket;
        let Some(event) = event.filter(|_| !self.zeroed) else { return Some(*seen) };
        Some(Socket {
            local: seen.local,
            remote: seen.remote,
            interface: seen.interface,
            state: seen.state,
            uid: seen.uid,
            inode: seen.inode,
            cgroup_id: seen.cgroup_id,
            congestion: event.congestion.or(seen.congestion),
            ..*event
        })
    }

    fn ended(&self, socket: &Socket, role: Role) -> Ended {
        let ending = socket.tcp_info.as_ref().and_then(|info| {
            let ended = EndedConnection {
                role,
                state: socket.state,
                lifecycle: match self.event {
                    Some(_) => Lifecycle::Closed,
                    None => Lifecycle::Vanished,
                },
                wiped: self.event.is_some_and(|(event, _)| is_wiped(event)),
                has_events: self.has_events,
                info,
                send_queue: socket.send_queue,
                receive_queue: socket.receive_queue,
            };
            ended.ending()
        });
        let opened_at_ns = self.watched.filter(|watched| watched.born_after.is_some());
        Ended {
            closed_at_ns: self.closed_at_ns,
            opened_at_ns: opened_at_ns.map(|watched| watched.opened_at_ns),
            lifetime: self.lifetime(socket),
            // Of a socket that was never connected the kernel has forgotten how that failed.
            end: End::of(ending.filter(|_| self.watched.is_some() || !was_never_connected(socket))),
            zeroed: self.zeroed,
            vanished: self.event.is_none(),
        }
    }

    fn lifetime(&self, socket: &Socket) -> Lifetime {
        let (ended_after, ended_by) = self.between;
        let seconds = |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f64();
        let (low, high) = match self.watched {
            Some(watched) => (
                seconds(watched.born_by, ended_after),
                watched.born_after.map(|after| seconds(after, ended_by)),
            ),
            None if self.in_baseline => (0.0, None),
            None => (0.0, Some(seconds(ended_after, ended_by))),
        };
        Lifetime { low: low.max(age(socket).as_secs_f64().min(high.unwrap_or(f64::MAX))), high }
    }
}

/// The least age of a connection. Its clocks start when it is established
/// (`tcp_finish_connect()`, `tcp_create_openreq_child()`), and those of others mean nothing.
fn age(socket: &Socket) -> Duration {
    /// The kernel's ticks with HZ=100.
    const TICK: Duration = Duration::from_millis(10);
    let number = |field: &crate::model::Field| field.integer(socket).unwrap_or(0);
    if number(&t::BYTES_ACKED) + number(&t::BYTES_RECEIVED) == 0 {
        return Duration::ZERO;
    }
    let clocks = [&t::LAST_DATA_SENT, &t::LAST_DATA_RECV, &t::LAST_ACK_RECV];
    let longest = clocks.map(number).into_iter().max().unwrap_or(0);
    Duration::from_millis(longest).saturating_sub(TICK)
}

impl<S: ClosedSink> Consumer for ClosedRows<S> {
    fn begin(&mut self, poll: &PollBegun<'_>) {
        self.poll += 1;
        self.before = self.now.replace(poll.at);
        self.shown = 0;
        self.tracker.begin(poll.at);
        self.events.clear();
    }

    fn observe(&mut self, socket: &Socket) -> Interest {
        let observed = self.tracker.observe(socket);
        let known = self.watched.get_mut(&socket.cookie);
        if socket.state == State::Listen {
            return Interest::NOTHING;
        }
        let (Some(now), true) = (self.now, socket.is_minisock() || observed != Observed::Ignored)
        else {
            return Interest::NOTHING;
        };
        match known {
            Some(watched) => {
                self.shown += usize::from(watched.poll != self.poll);
                (watched.poll, watched.seen, watched.missed) = (self.poll, now, None);
                if socket.is_minisock() {
                    return Interest::NOTHING;
                }
                let owner = (watched.socket.inode, watched.socket.uid);
                watched.socket.copy_from(socket);
                if socket.inode == 0 && owner.0 != 0 {
                    (watched.socket.inode, watched.socket.uid) = owner;
                }
            }
            None if socket.is_minisock() => return Interest::NOTHING,
            None => {
                self.shown += 1;
                let first_seen = now.checked_sub(age(socket)).unwrap_or(now);
                let watched = Watched {
                    socket: *socket,
                    born_after: self.before,
                    born_by: self.before.map_or(first_seen, |before| before.max(first_seen)),
                    opened_at_ns: self.context.realtime_ns.get(),
                    poll: self.poll,
                    seen: now,
                    missed: None,
                    is_reported: false,
                    who: None,
                };
                self.watched.insert(socket.cookie, watched);
            }
        }
        match observed {
            Observed::Untagged => Interest::new(Level::Processes),
            Observed::Known(_) | Observed::Ignored => Interest::NOTHING,
        }
    }

    fn identified(
        &mut self,
        socket: &Socket,
        identity: &Identity<'_>,
        _: &mut Interfaces,
    ) -> ControlFlow<()> {
        let Some(watched) = self.watched.get_mut(&socket.cookie) else {
            return ControlFlow::Continue(());
        };
        if let Some(identified) = identity.identified {
            self.tracker.tag(socket.cookie, identified.service.0);
        }
        let text = |text: Option<&str>| text.map(Into::into);
        let owner = &identity.owner;
        let (holders, omitted) = match owner.processes() {
            Processes::Known { holders, omitted } => (holders, omitted),
            Processes::NotAsked | Processes::Hidden => (&[][..], 0),
        };
        let holders = holders.iter().map(|it| (it.pid, it.comm.into(), it.fd)).collect();
        watched.who = Some(Box::new(LastOwner {
            identified: identity.identified,
            holders,
            omitted,
            is_hidden: owner.processes() == Processes::Hidden,
            cgroup_path: text(owner.cgroup_path),
            unit: text(identity.placement.unit.as_deref()),
            container: text(identity.placement.container.as_deref()),
        }));
        ControlFlow::Continue(())
    }

    fn on_destroy(&mut self, event: &Socket, identities: &mut Identities<'_>) {
        self.tracker.on_destroy(event);
        if !self.tracker.contains(event.cookie) {
            return;
        }
        let is_known = self.watched.get(&event.cookie).is_some_and(|it| it.who.is_some());
        // A wiped event does not even show the peer's port.
        let identified =
            (!is_known && !is_wiped(event)).then(|| identities.identify_destroyed(event));
        self.events.entry(event.cookie).or_insert((*event, identified));
    }

    fn end(&mut self, poll: PollEnded<'_>, identities: &mut Identities<'_>) {
        self.sink.borrow_mut().poll_ended(poll.quality);
        let ended = &mut self.ended;
        let is_connection = |activity: &Activity| {
            activity.identity.state != State::Listen
                && !activity.identity.remote.address.is_unspecified()
        };
        self.tracker.end(poll.ending, |activity| {
            if activity.closed && is_connection(activity) {
                ended.push(*activity);
            }
        });
        let has_events = poll.ending.watch != Watch::Off;
        self.report_ended(poll.ending.watch == Watch::Whole, identities, poll.interfaces);
        if poll.ending.whole_dump && self.shown < self.watched.len() {
            self.report_held(has_events, identities, poll.interfaces);
        }
        if self.watched.len() > 2 * self.tracker.len() + 64 {
            let tracker = &self.tracker;
            self.watched.retain(|cookie, _| tracker.contains(*cookie));
        }
    }
}
