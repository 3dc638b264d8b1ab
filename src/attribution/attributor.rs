//! One network namespace's running account: from sockets, events and counters to whose they are.

use std::mem;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use super::accumulator::Accumulator;
use super::interval::{Interval, Reading, Requests};
use super::kinds::KindRow;
use super::reconcile::reconcile;
use super::services::{Classifier, Facts, Owner, ServiceId};
use super::table::ServiceTable;
use super::work::{Hints, Work};
use crate::counters::{CounterWidth, Counters};
use crate::model::{Role, Socket, State};
use crate::socket_diag::Listeners;
use crate::tracking::{Activity, Ending, Entered, Identity, Ledger, Totals, Watch};

/// Events come sooner than this after a death, as long as none is seen to be later.
const LATEST: Duration = Duration::from_millis(20);

/// The counters on both sides of a poll.
#[derive(Debug, Clone, Default)]
pub struct Readings {
    /// Before the dump.
    pub first: Counters,
    /// After the events were taken.
    pub second: Counters,
}

impl Readings {
    fn view(&self) -> Reading<'_> {
        Reading { first: &self.first, second: &self.second }
    }
}

/// A half-open connection, as it was last seen.
#[derive(Debug, Clone, Copy)]
struct Request {
    service: ServiceId,
    /// SYN-ACKs sent again so far.
    repeats: u32,
    /// Of these, since the last poll.
    fresh: u32,
    /// It is in the poll that runs.
    seen: bool,
}

/// How a poll ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// What the ledger has to know.
    pub ending: Ending,
    /// Destroy events that were lost since the last poll.
    pub events_lost: u64,
}

/// What a poll came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Polled {
    /// The ledger's part, of all kinds of sockets.
    pub totals: Totals,
    /// Connections that began.
    pub opened: u64,
    /// Connections that ended.
    pub closed: u64,
    /// Of these, those that no event told of.
    pub without_event: u64,
    /// Connections that began and ended since the poll before: only events tell of them.
    pub between_polls: u64,
}

/// One network namespace's running account.
///
/// A poll is: [`readings`](Self::readings) filled in `first`, [`begin`](Self::begin), for every
/// record of the listening sockets and then of all others [`see`](Self::see), for every destroy
/// event [`on_destroy`](Self::on_destroy), `second` filled, [`end`](Self::end). The first poll sets the
/// baseline; each one after it divides what grew since the one before, and
/// [`begin_interval`](Self::begin_interval) tells what that came to.
#[derive(Debug)]
pub struct Attributor {
    width: CounterWidth,
    ledger: Ledger,
    table: ServiceTable,
    interval: Accumulator,
    before: Readings,
    after: Readings,
    requests: FxHashMap<u64, Request>,
    /// When this poll and the one before began.
    begun: [Option<Instant>; 2],
    /// Retransmits of the last poll that no socket showed.
    owed: KindRow,
    /// Whether this poll reads levels.
    levels: bool,
    /// Used again for each poll.
    work: Vec<Work>,
}

impl Attributor {
    /// Nothing yet, for counters of this width.
    pub fn new(width: CounterWidth) -> Self {
        Self {
            width,
            ledger: Ledger::new(),
            table: ServiceTable::new(),
            interval: Accumulator::new(),
            before: Readings::default(),
            after: Readings::default(),
            requests: FxHashMap::default(),
            begun: [None; 2],
            owed: KindRow::default(),
            levels: false,
            work: Vec::new(),
        }
    }

    /// Where the counters of the poll that runs are to be read into.
    pub fn readings(&mut self) -> &mut Readings {
        &mut self.after
    }

    /// The counters as of the end of the last poll, and those read since.
    pub fn compared(&self) -> (&Counters, &Counters) {
        (&self.before.second, &self.after.first)
    }

    /// Begins a poll. With `levels` it also counts states, queues and round-trip times, which
    /// only the poll that ends an interval needs.
    pub fn begin(&mut self, now: Instant, levels: bool) {
        self.ledger.begin(now);
        self.begun = [Some(now), self.begun[0]];
        self.levels = levels;
        if levels {
            self.table.begin_poll();
        }
        for request in self.requests.values_mut() {
            (request.seen, request.fresh) = (false, 0);
        }
    }

    /// Enters a record of the dump. False if its service is not known: then
    /// [`assign`](Self::assign) is to follow before the poll ends.
    #[inline]
    pub fn see(&mut self, socket: &Socket) -> bool {
        if socket.state == State::SynRecv && socket.is_minisock() {
            return self.see_request(socket);
        }
        match self.ledger.enter(socket) {
            Entered::Ignored => true,
            Entered::Known(tag) => {
                if self.levels {
                    self.table.see(ServiceId(tag), socket);
                }
                true
            }
            Entered::Untagged => false,
        }
    }

    /// A half-open connection: what its SYN-ACK was repeated since the last poll.
    fn see_request(&mut self, socket: &Socket) -> bool {
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

    /// Says which service a socket is of that [`see`](Self::see) did not know.
    pub fn assign(&mut self, socket: &Socket, service: ServiceId) {
        if socket.state == State::SynRecv && socket.is_minisock() {
            let repeats = repeats(socket);
            let request = Request { service, repeats, fresh: repeats, seen: true };
            self.requests.insert(socket.cookie, request);
        } else {
            self.ledger.tag(socket.cookie, service.0);
        }
        if self.levels {
            self.table.see(service, socket);
        }
    }

    /// Says that a socket which is known is of this service from now on.
    pub fn hand_over(&mut self, socket: &Socket, service: ServiceId) {
        self.ledger.tag(socket.cookie, service.0);
    }

    /// Enters a destroy event.
    pub fn on_destroy(&mut self, event: &Socket) {
        self.ledger.on_destroy(event);
    }

    /// Ends a poll: divides what grew. `listeners` are those of this poll.
    pub fn end(
        &mut self,
        closing: Closing,
        classifier: &mut Classifier,
        listeners: &Listeners,
    ) -> Polled {
        let mut polled = Polled::default();
        let mut work = mem::take(&mut self.work);
        work.clear();
        let requests = &mut self.requests;
        polled.totals = self.ledger.end(closing.ending, |activity| {
            let connected = activity.identity.remote.port != 0;
            polled.between_polls += u64::from(activity.opened && activity.closed && connected);
            // The child counts what its request repeated; what polls saw of that is accounted for.
            let request = activity.opened.then(|| requests.remove(&activity.cookie)).flatten();
            let inherited = request.map_or(0, |request| request.repeats);
            let own = work_of(activity, inherited, classifier, listeners);
            polled.opened += u64::from(own.began());
            polled.closed += u64::from(own.ended());
            polled.without_event += u64::from(own.ended() && activity.vanished);
            work.push(own);
        });
        let requests = self.settle_requests(closing.ending.whole_dump);
        if !polled.totals.first {
            let late = self.late(&polled.totals);
            self.divide(&work, &requests, closing, late);
        }
        self.work = work;
        mem::swap(&mut self.before, &mut self.after);
        polled
    }

    fn divide(&mut self, work: &[Work], requests: &[Requests], closing: Closing, late: f64) {
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
            work,
            listeners: &[],
            requests,
            established: if self.levels { &established } else { &[] },
            notified: closing.ending.watch != Watch::Off,
            events_lost: closing.events_lost,
            late,
            owed: self.owed,
        });
        self.owed = reconciliation.kinds.outside;
        self.interval.add(&reconciliation);
    }

    /// What share of the dead may have been told of too late. The kernel's workers send the events
    /// when they get a processor; when some are seen to be late, any may be.
    fn late(&self, totals: &Totals) -> f64 {
        let [now, before] = self.begun;
        let passed = now.zip(before).map(|(now, before)| now.saturating_duration_since(before));
        match passed {
            Some(passed) if totals.late == 0 => LATEST.div_duration_f64(passed).min(1.0),
            _ => 1.0,
        }
    }

    /// What half-open connections did since the last poll, by service. Those that are gone
    /// without a child are forgotten, unless the dump may have missed them.
    fn settle_requests(&mut self, whole_dump: bool) -> Vec<Requests> {
        let mut sums: FxHashMap<ServiceId, Requests> = FxHashMap::default();
        self.requests.retain(|_, request| {
            let gone = !request.seen && whole_dump;
            if gone || request.fresh > 0 {
                let service = request.service;
                let none = Requests { service, repeats: 0, gone: 0 };
                let sum = sums.entry(service).or_insert(none);
                sum.repeats += u64::from(request.fresh);
                sum.gone += u64::from(gone);
            }
            !gone
        });
        let mut sums: Vec<Requests> = sums.into_values().collect();
        sums.sort_unstable_by_key(|sum| sum.service);
        sums
    }

    /// What services did since the interval began, and how they are as of the last poll.
    pub fn table(&self) -> &ServiceTable {
        &self.table
    }

    /// What the counters grew by since the interval began, divided. A new interval begins.
    pub fn begin_interval(&mut self) -> Accumulator {
        self.table.begin_interval();
        mem::take(&mut self.interval)
    }

    /// Bytes of the heap that the ledger occupies.
    pub fn allocated(&self) -> usize {
        self.ledger.allocated()
    }
}

/// How often a half-open connection's SYN-ACK was sent again (`inet_req_diag_fill()`).
fn repeats(socket: &Socket) -> u32 {
    socket.timer.map_or(0, |timer| u32::from(timer.retransmits))
}

/// A socket's part, with its service and role. Of one that no dump has shown the ends tell.
fn work_of(
    activity: &Activity,
    inherited: u32,
    classifier: &mut Classifier,
    listeners: &Listeners,
) -> Work {
    let Identity { local, remote, state, interface, .. } = activity.identity;
    let service = activity.tag.map(ServiceId).unwrap_or_else(|| {
        let role = match state {
            State::Listen => Role::Listener,
            State::SynSent => Role::Client,
            _ if remote.port == 0 => Role::Unknown,
            _ => listeners.connection(local, interface).0,
        };
        classifier.classify(&Facts { local, remote, role, owner: Owner::default() })
    });
    let role = match state {
        State::Listen => Role::Listener,
        _ => classifier.key(service).map_or(Role::Unknown, |key| key.role),
    };
    let hints = Hints { inherited, ..Hints::of(activity.before, activity.after) };
    Work { activity: *activity, service, role, hints }
}
