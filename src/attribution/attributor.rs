//! The attribution of one network namespace: from sockets, events and counters to services.

use std::mem;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use super::accumulator::Accumulator;
use super::growth::KernelCounters;
use super::interval::{Interval, Reading, Requests};
use super::kinds::KindRow;
use super::listener_queues::ListenerQueues;
use super::reconcile::reconcile;
use super::socket_selection::SocketSelection;
use super::table::ServiceTable;
use super::work::{Hints, Work};
use crate::counters::{CounterWidth, Counters};
use crate::identity::{Identified, ServiceId};
use crate::model::{Role, Socket, State};
use crate::monitor::{
    Consumer, Identities, Identity, Interest, Interfaces, Level, PollBegun, PollEnded,
};
use crate::tracking::{Activity, Ending, Observed, SocketTracker, Totals, Watch};

/// The longest delay of a destroy event, as long as none is seen to be later.
const LATEST: Duration = Duration::from_millis(20);

/// The counters on both sides of a poll.
#[derive(Debug, Clone, Default)]
struct Readings {
    /// Before the dump.
    first: Counters,
    /// After the events were received.
    second: Counters,
}

impl Readings {
    fn view(&self) -> Reading<'_> {
        Reading { first: &self.first, second: &self.second }
    }
}

/// Set in the tag of a socket whose owner, role or service is not beyond doubt.
const INFERRED: u32 = 1 << 31;

/// A socket's service as the tracker keeps it.
fn tag(identified: Identified) -> u32 {
    let doubt = if identified.is_certain { 0 } else { INFERRED };
    identified.service.0 | doubt
}

/// The service of a tag.
fn service(tag: u32) -> ServiceId {
    ServiceId(tag & !INFERRED)
}

/// A half-open connection, as it was last seen.
#[derive(Debug, Clone, Copy)]
struct Request {
    service: ServiceId,
    is_certain: bool,
    /// SYN-ACKs sent again so far.
    repeats: u32,
    /// Of these, since the last poll.
    fresh: u32,
    /// Whether it is in the current poll.
    seen: bool,
}

/// The result of a poll.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Polled {
    /// The tracker's part, of all kinds of sockets.
    pub totals: Totals,
    /// Connections that began.
    pub opened: u64,
    /// Connections that ended.
    pub closed: u64,
    /// Of these, those without a destroy event.
    pub without_event: u64,
    /// Connections that began and ended since the poll before: only known from events.
    pub between_polls: u64,
}

/// The attribution of one network namespace.
///
/// The first poll sets the baseline. Each one after it divides what grew since the one before,
/// and [`begin_interval`](Self::begin_interval) returns the result.
#[derive(Debug)]
pub struct Attributor {
    width: CounterWidth,
    /// Which counters the kernel keeps per socket.
    kernel: KernelCounters,
    tracker: SocketTracker,
    table: ServiceTable,
    interval: Accumulator,
    before: Readings,
    after: Readings,
    requests: FxHashMap<u64, Request>,
    queues: ListenerQueues,
    /// When this poll and the one before began.
    begun: [Option<Instant>; 2],
    /// Retransmits of the last poll that no socket showed.
    owed: KindRow,
    /// Whether this poll reads levels.
    levels: bool,
    /// Used again for each poll.
    work: Vec<Work>,
    /// The result of the last poll.
    last: Polled,
    /// Whether an established connection's service is not beyond doubt.
    has_inferred: bool,
    /// Which sockets are attributed to their own services; `None` for all.
    selection: Option<SocketSelection>,
}

impl Attributor {
    /// Without any polls, for counters of this width.
    pub fn new(width: CounterWidth) -> Self {
        Self {
            width,
            kernel: KernelCounters::default(),
            tracker: SocketTracker::new(),
            table: ServiceTable::new(),
            interval: Accumulator::new(),
            before: Readings::default(),
            after: Readings::default(),
            requests: FxHashMap::default(),
            queues: ListenerQueues::default(),
            begun: [None; 2],
            owed: KindRow::default(),
            levels: false,
            work: Vec::new(),
            last: Polled::default(),
            has_inferred: false,
            selection: None,
        }
    }

    /// Attributes only these sockets to their own services.
    #[must_use]
    pub fn selecting(self, selection: Option<SocketSelection>) -> Self {
        Self { selection, ..self }
    }

    /// What has to be known of a socket to attribute it.
    fn interest(&self) -> Interest {
        let of_filter = self.selection.as_ref().map(SocketSelection::level);
        Interest::new(of_filter.unwrap_or_default().max(Level::Service))
    }

    /// Begins a poll. With `levels` it also counts states, queues and round-trip times, which
    /// only the poll that ends an interval needs.
    fn begin_poll(&mut self, now: Instant, levels: bool) {
        self.tracker.begin(now);
        self.queues.begin();
        self.begun = [Some(now), self.begun[0]];
        self.levels = levels;
        if levels {
            self.table.begin_poll();
        }
        for request in self.requests.values_mut() {
            (request.seen, request.fresh) = (false, 0);
        }
        self.has_inferred = false;
    }

    /// Counts a socket of a service that is known.
    fn count(&mut self, tag: u32, socket: &Socket) {
        if self.levels {
            self.table.see(service(tag), socket);
            self.has_inferred |= tag & INFERRED != 0;
        }
    }

    /// Counts how often a half-open connection's SYN-ACK was repeated since the last poll.
    fn observe_request(&mut self, socket: &Socket) -> bool {
        let Some(request) = self.requests.get_mut(&socket.cookie) else { return false };
        let repeats = repeats(socket);
        request.seen = true;
        request.fresh = repeats.saturating_sub(request.repeats);
        request.repeats = repeats;
        if self.levels {
            self.table.see(request.service, socket);
        }
        true
    }

    /// Records the service of a socket.
    fn assign(&mut self, socket: &Socket, identified: Identified) {
        if socket.state == State::SynRecv && socket.is_minisock() {
            let repeats = repeats(socket);
            let Identified { service, is_certain, .. } = identified;
            let request = Request { service, is_certain, repeats, fresh: repeats, seen: true };
            self.requests.insert(socket.cookie, request);
        } else {
            self.tracker.tag(socket.cookie, tag(identified));
        }
        self.count(tag(identified), socket);
    }

    /// Ends a poll: divides what grew.
    fn end_poll(
        &mut self,
        ending: Ending,
        events_lost: u64,
        identities: &mut Identities<'_>,
    ) -> Polled {
        let mut polled = Polled::default();
        let mut work = mem::take(&mut self.work);
        work.clear();
        let (requests, queues) = (&mut self.requests, &self.queues);
        let others = self.selection.as_ref().map(SocketSelection::others);
        polled.totals = self.tracker.end(ending, |activity| {
            let connected = activity.identity.remote.port != 0;
            polled.between_polls += u64::from(activity.opened && activity.closed && connected);
            // The child counts what its request repeated; what polls saw of that is accounted for.
            let request = activity.opened.then(|| requests.remove(&activity.cookie)).flatten();
            let inherited = request.map_or(0, |request| request.repeats);
            let own = work_of(activity, inherited, queues, others, identities);
            polled.opened += u64::from(own.began());
            polled.closed += u64::from(own.ended());
            polled.without_event += u64::from(own.ended() && activity.vanished);
            work.push(own);
        });
        if self.levels {
            self.table.assume(self.kernel);
        }
        let requests = self.settle_requests(ending.whole_dump);
        if !polled.totals.first {
            let late = self.late(&polled.totals);
            self.divide(&work, &requests, ending.watch, events_lost, late);
        }
        self.work = work;
        mem::swap(&mut self.before, &mut self.after);
        polled
    }

    fn divide(
        &mut self,
        work: &[Work],
        requests: &[Requests],
        watch: Watch,
        events_lost: u64,
        late: f64,
    ) {
        for work in work {
            self.table.enter(work);
        }
        for request in requests {
            self.table.add_repeats(request.service, request.repeats);
        }
        let established: Vec<_> = self.table.established().collect();
        let reconciliation = reconcile(&Interval {
            before: self.before.view(),
            after: self.after.view(),
            width: self.width,
            kernel: self.kernel,
            work,
            listeners: &[],
            requests,
            established: if self.levels { &established } else { &[] },
            is_established_inferred: self.has_inferred,
            notified: watch != Watch::Off,
            events_lost,
            late,
            carried_over: self.owed,
        });
        self.owed = reconciliation.kinds.outside;
        self.interval.add(&reconciliation);
    }

    /// The share of closed sockets whose events may have come too late. The kernel's workers send
    /// the events when they get a processor; if some were late, any may be.
    fn late(&self, totals: &Totals) -> f64 {
        let [now, before] = self.begun;
        let passed = now.zip(before).map(|(now, before)| now.saturating_duration_since(before));
        match passed {
            Some(passed) if totals.late == 0 => LATEST.div_duration_f64(passed).min(1.0),
            _ => 1.0,
        }
    }

    /// What half-open connections did since the last poll, by service. Forgets those that are gone
    /// without a child, unless the dump may have missed them.
    fn settle_requests(&mut self, whole_dump: bool) -> Vec<Requests> {
        let mut sums: FxHashMap<ServiceId, Requests> = FxHashMap::default();
        self.requests.retain(|_, request| {
            let gone = !request.seen && whole_dump;
            if gone || request.fresh > 0 {
                let service = request.service;
                let none = Requests { service, repeats: 0, gone: 0, inferred: false };
                let sum = sums.entry(service).or_insert(none);
                sum.repeats += u64::from(request.fresh);
                sum.gone += u64::from(gone);
                sum.inferred |= !request.is_certain;
            }
            !gone
        });
        let mut sums: Vec<Requests> = sums.into_values().collect();
        sums.sort_unstable_by_key(|sum| sum.service);
        sums
    }

    /// What services did since the interval began, and their levels at the last poll.
    pub fn table(&self) -> &ServiceTable {
        &self.table
    }

    /// What the counters grew by since the interval began, divided. Begins a new interval.
    pub fn begin_interval(&mut self) -> Accumulator {
        self.table.begin_interval();
        mem::take(&mut self.interval)
    }

    /// The result of the last poll.
    pub fn last_poll(&self) -> &Polled {
        &self.last
    }

    /// Bytes of the heap that the tracker occupies.
    pub fn allocated(&self) -> usize {
        self.tracker.allocated()
    }
}

/// How often a half-open connection's SYN-ACK was sent again (`inet_req_diag_fill()`).
fn repeats(socket: &Socket) -> u32 {
    socket.timer.map_or(0, |timer| u32::from(timer.retransmits))
}

impl Consumer for Attributor {
    fn begin(&mut self, poll: &PollBegun<'_>) {
        self.begin_poll(poll.at, poll.ends_interval);
    }

    #[inline]
    fn observe(&mut self, socket: &Socket) -> Interest {
        if socket.state == State::SynRecv && socket.is_minisock() {
            self.queues.see(socket);
            let is_known = self.observe_request(socket);
            return if is_known { Interest::NOTHING } else { self.interest() };
        }
        self.kernel.see(socket);
        if socket.state == State::Listen {
            self.queues.see(socket);
        }
        match self.tracker.observe(socket) {
            Observed::Ignored => Interest::NOTHING,
            Observed::Untagged => self.interest(),
            // A listener belongs to its present holder.
            Observed::Known(_) if socket.state == State::Listen => self.interest(),
            // What was only inferred may be beyond doubt by now.
            Observed::Known(tag) if self.levels && tag & INFERRED != 0 => self.interest(),
            Observed::Known(tag) => {
                self.count(tag, socket);
                Interest::NOTHING
            }
        }
    }

    fn identified(
        &mut self,
        socket: &Socket,
        identity: &Identity<'_>,
        _: &mut Interfaces,
    ) -> ControlFlow<()> {
        if let Some(identified) = identity.identified {
            let identified = match &self.selection {
                Some(selection) => selection.of_socket(socket, identity, identified),
                None => identified,
            };
            self.assign(socket, identified);
        }
        ControlFlow::Continue(())
    }

    fn on_destroy(&mut self, event: &Socket, identities: &mut Identities<'_>) {
        self.kernel.see(event);
        let is_new = !self.tracker.contains(event.cookie);
        self.tracker.on_destroy(event);
        if is_new && self.tracker.contains(event.cookie) {
            let mut identified = identities.identify_destroyed(event);
            if let Some(selection) = &self.selection {
                identified = selection.of_destroyed(event, identities, identified);
            }
            self.tracker.tag(event.cookie, tag(identified));
        }
    }

    fn end(&mut self, poll: PollEnded<'_>, identities: &mut Identities<'_>) {
        let [first, second] = poll.counters;
        self.after.first.copy_from(first);
        self.after.second.copy_from(second);
        self.last = self.end_poll(poll.ending, poll.events_lost, identities);
    }
}

/// A socket's part, with its service and role. Sockets that no dump has shown are known from their
/// destroy events, or else from their addresses.
fn work_of(
    activity: &Activity,
    inherited: u32,
    queues: &ListenerQueues,
    others: Option<ServiceId>,
    identities: &mut Identities<'_>,
) -> Work {
    let identity = activity.identity;
    let (service, is_certain) = match (activity.tag, others) {
        (Some(tag), _) => (service(tag), tag & INFERRED == 0),
        // Too little is known of it to pass a filter.
        (None, Some(others)) => (others, false),
        (None, None) => {
            let found = identities.identify_by_ends(
                identity.local,
                identity.remote,
                identity.interface,
                identity.state,
            );
            (found.service, found.is_certain)
        }
    };
    let role = match identity.state {
        State::Listen => Role::Listener,
        _ => identities.registry.key(service).map_or(Role::Unknown, |key| key.role),
    };
    let queue = match identity.state {
        State::Listen => queues.of(activity.cookie, identity.local.port),
        _ => None,
    };
    let hints = Hints { inherited, queue, ..Hints::of(activity.before, activity.after) };
    Work { activity: *activity, service, is_certain, role, hints }
}

#[cfg(test)]
#[path = "attributor_tests.rs"]
mod tests;
