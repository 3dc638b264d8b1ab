//! What every socket of a recording did from sample to sample.

use std::cell::{Cell, RefCell};
use std::hash::{Hash as _, Hasher as _};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use super::consumer::{
    Consumer, Identities, Identity, Interest, Level, PollBegun, PollEnded, RecordedBytes,
};
use super::interfaces::Interfaces;
use super::owners::{OwnerInfo, OwnerResolver};
use super::quality::Namespace;
use crate::identity::{Identified, NamespaceIdentity, Owner, ServiceKey, ServiceRegistry, Subject};
use crate::model::{Field, Kind, Reading, Role, RoleBasis, Socket, State, fields};
use crate::tracking::{Activity, Delta, Observed, SocketTracker, Watch};
use crate::wire::{EcnWord, Messages, Reply, uapi};

/// What was incomplete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gaps {
    /// Destroy events that were lost.
    pub events_lost: u64,
    /// Samples without destroy events.
    pub without_events: u64,
    /// Dumps that were disturbed or ended early.
    pub dumps: u64,
}

impl Gaps {
    /// Whether figures may be missing.
    pub fn is_partial(&self) -> bool {
        self.events_lost > 0 || self.dumps > 0
    }

    /// A sentence for each.
    pub fn sentences(&self) -> Vec<String> {
        let Self { events_lost, without_events, dumps } = *self;
        let sentences = [
            (
                events_lost,
                "destroy events were lost: the last figures of those sockets are missing",
            ),
            (
                without_events,
                "samples have no destroy events: the last figures of sockets are missing",
            ),
            (dumps, "dumps were disturbed or incomplete: rows may be missing"),
        ];
        let sentences = sentences.into_iter().filter(|(count, _)| *count > 0);
        sentences.map(|(count, text)| format!("{count} {text}")).collect()
    }
}

/// A socket in a sample, or its end.
pub struct Observation<'a> {
    /// Its network namespace.
    pub namespace: &'a Namespace,
    /// Time since the sample before.
    pub interval: Option<Duration>,
    /// As it is in the dump. For a closed socket its destroy event, with the identity and state
    /// from when it was last seen.
    pub socket: &'a Socket,
    /// Whether the socket's figures mean anything: how a socket ended is not known if it vanished
    /// or its counters were zeroed.
    pub figures: bool,
    /// Its role and the evidence for it.
    pub role: (Role, RoleBasis),
    /// Its service, and what is known of its name.
    pub service: Option<(Identified, &'a ServiceKey)>,
    /// Its holders.
    pub owner: &'a OwnerInfo<'a>,
    /// Names of interfaces.
    pub interfaces: &'a Interfaces,
    /// What it did; `None` where no counter grew.
    pub activity: Option<&'a Activity>,
    /// What grew; `None` where there is nothing to compare with.
    pub delta: Option<Delta>,
    /// Whether anything but a clock differs from the previous sample.
    pub moved: bool,
    /// What is remembered of it.
    pub memory: &'a SocketMemory,
    identity: &'a NamespaceIdentity,
}

impl Observation<'_> {
    /// Unit and container of its holder, or else of its listener's holder.
    pub fn placement(&self) -> Owner<'_> {
        let subject = Subject::new(self.socket, self.owner.owner(), self.owner.is_held());
        self.identity.owner(&subject, self.role.0)
    }
}

/// What is remembered of a socket.
#[derive(Debug, Clone, Default)]
pub struct SocketMemory {
    /// Its gauges and states in the last sample, as a hash.
    mark: u64,
    /// The last sample that had it, counted from 1.
    sample: u64,
    inode: u32,
    cgroup: Option<u64>,
    identified: Option<Identified>,
    reported: Cell<bool>,
}

impl SocketMemory {
    /// Marks it as reported.
    pub fn set_reported(&self) {
        self.reported.set(true);
    }

    /// Whether it was reported.
    pub fn was_reported(&self) -> bool {
        self.reported.get()
    }
}

/// Receives what sockets did.
pub trait ObservationSink {
    /// Receives one socket of the sample.
    fn take(&mut self, observation: &Observation<'_>);
}

/// The sockets of one namespace of a recording.
pub struct SocketIntervals<S> {
    sink: Rc<RefCell<S>>,
    namespace: Namespace,
    /// Whether TIME-WAIT and SYN-RECV records are reported too. Nothing is remembered of them
    /// otherwise, since they are many.
    minisocks: bool,
    gaps: Rc<Cell<Gaps>>,
    tracker: SocketTracker,
    sockets: FxHashMap<u64, SocketMemory>,
    /// Destroy events of this sample.
    ends: FxHashMap<u64, Socket>,
    /// Samples so far.
    samples: u64,
    before: Option<Instant>,
    interval: Option<Duration>,
    ecn: EcnWord,
    /// Used again for each sample.
    activities: Vec<(Activity, bool)>,
}

impl<S: ObservationSink> SocketIntervals<S> {
    /// Reports what the sockets of a namespace do, and adds to `gaps`.
    pub fn new(
        sink: Rc<RefCell<S>>,
        namespace: Namespace,
        minisocks: bool,
        gaps: Rc<Cell<Gaps>>,
    ) -> Self {
        Self {
            sink,
            namespace,
            minisocks,
            gaps,
            tracker: SocketTracker::new(),
            sockets: FxHashMap::default(),
            ends: FxHashMap::default(),
            samples: 0,
            before: None,
            interval: None,
            ecn: EcnWord::Unknown,
            activities: Vec::new(),
        }
    }

    /// Adds the inodes and cgroups of all sockets that may still be reported.
    pub fn names_in_use(&self, inodes: &mut FxHashSet<u32>, cgroups: &mut FxHashSet<u64>) {
        inodes.extend(self.sockets.values().map(|memory| memory.inode));
        cgroups.extend(self.sockets.values().filter_map(|memory| memory.cgroup));
    }

    /// Reports the sockets of the dump.
    fn report_open(&mut self, bytes: RecordedBytes<'_>, context: &SampleContext<'_>) {
        let mut socket = Socket::BLANK;
        for reply in replies(bytes.dump) {
            if !socket.fill(&reply, self.ecn) || socket.is_minisock() && !self.minisocks {
                continue;
            }
            let cookie = socket.cookie;
            if self.sockets.get(&cookie).is_some_and(|memory| memory.sample == self.samples) {
                // The kernel may send a socket twice if it moves in its tables.
                continue;
            }
            let range = range(&self.activities, cookie);
            let own = self.activities.get_mut(range).unwrap_or_default();
            if own.iter().any(|(activity, _)| activity.closed) {
                continue;
            }
            let memory = self.sockets.entry(cookie).or_default();
            let mark = mark(&socket);
            let was_there = memory.sample > 0;
            let changed = !was_there || memory.mark != mark;
            (memory.mark, memory.sample) = (mark, self.samples);
            if socket.inode != 0 || memory.inode == 0 {
                (memory.inode, memory.cgroup) = (socket.inode, socket.cgroup_id);
            }
            let owner = context.owners.info(&socket);
            let observation = Observation {
                namespace: &self.namespace,
                interval: self.interval,
                socket: &socket,
                figures: true,
                role: role_of(memory),
                service: context.service(memory),
                owner: &owner,
                interfaces: context.interfaces,
                activity: None,
                delta: None,
                moved: changed,
                memory,
                identity: context.identity,
            };
            let mut sink = self.sink.borrow_mut();
            if own.is_empty() {
                // Nothing grew since the sample before, if it was there.
                let still = (self.samples > 1 && was_there && !socket.is_minisock())
                    .then(|| Delta::between(&socket, &socket));
                sink.take(&Observation { delta: still, ..observation });
                continue;
            }
            for (activity, shown) in own {
                *shown = true;
                let delta = Some(activity.delta);
                let moved = changed || activity.opened || !activity.delta.is_zero();
                sink.take(&Observation { activity: Some(activity), delta, moved, ..observation });
            }
        }
    }

    /// Reports the sockets that are in no dump.
    fn report_closed(&self, context: &SampleContext<'_>) {
        let mut socket = Socket::BLANK;
        let blank = SocketMemory::default();
        for (activity, _) in self.activities.iter().filter(|(_, shown)| !shown) {
            let end = self.ends.get(&activity.cookie).filter(|_| !activity.wiped);
            match end {
                Some(end) => socket.copy_from(end),
                None => {
                    socket.copy_from(&Socket::BLANK);
                    socket.cookie = activity.cookie;
                }
            }
            let identity = &activity.identity;
            (socket.local, socket.remote) = (identity.local, identity.remote);
            (socket.state, socket.interface) = (identity.state, identity.interface);
            (socket.uid, socket.inode) = (identity.uid, identity.inode);
            socket.cgroup_id = identity.cgroup_id;
            let memory = self.sockets.get(&activity.cookie).unwrap_or(&blank);
            let owner = context.owners.info(&socket);
            self.sink.borrow_mut().take(&Observation {
                namespace: &self.namespace,
                interval: self.interval,
                socket: &socket,
                figures: end.is_some(),
                role: role_of(memory),
                service: context.service(memory),
                owner: &owner,
                interfaces: context.interfaces,
                activity: Some(activity),
                delta: Some(activity.delta),
                moved: true,
                memory,
                identity: context.identity,
            });
        }
    }
}

/// What all sockets of a sample have in common.
struct SampleContext<'a> {
    owners: &'a OwnerResolver,
    interfaces: &'a Interfaces,
    registry: &'a ServiceRegistry,
    identity: &'a NamespaceIdentity,
}

impl<'a> SampleContext<'a> {
    fn service(&self, memory: &SocketMemory) -> Option<(Identified, &'a ServiceKey)> {
        let identified = memory.identified?;
        Some((identified, self.registry.key(identified.service)?))
    }
}

fn role_of(memory: &SocketMemory) -> (Role, RoleBasis) {
    memory.identified.map_or((Role::Unknown, RoleBasis::NoListener), |it| (it.role, it.role_basis))
}

impl<S: ObservationSink> Consumer for SocketIntervals<S> {
    fn begin(&mut self, poll: &PollBegun<'_>) {
        self.samples += 1;
        self.ecn = poll.ecn;
        let before = self.before.replace(poll.at);
        let interval = before.and_then(|before| poll.at.checked_duration_since(before));
        self.interval = interval.filter(|interval| !interval.is_zero());
        self.tracker.begin(poll.at);
        self.ends.clear();
    }

    fn observe(&mut self, socket: &Socket) -> Interest {
        let entered = self.tracker.observe(socket);
        if socket.is_minisock() && !self.minisocks {
            return Interest::NOTHING;
        }
        let known = self.sockets.get(&socket.cookie).and_then(|memory| memory.identified);
        let is_settled = known.is_some_and(|it| it.is_certain)
            && entered != Observed::Untagged
            && socket.state != State::Listen;
        if is_settled {
            return Interest::NOTHING;
        }
        let previous = known.map(|it| (it.role, it.role_basis));
        Interest { level: Level::Processes, previous }
    }

    fn identified(
        &mut self,
        socket: &Socket,
        identity: &Identity<'_>,
        _: &mut Interfaces,
    ) -> ControlFlow<()> {
        if let Some(identified) = identity.identified {
            self.tracker.tag(socket.cookie, identified.service.0);
            self.sockets.entry(socket.cookie).or_default().identified = Some(identified);
        }
        ControlFlow::Continue(())
    }

    fn on_destroy(&mut self, event: &Socket, identities: &mut Identities<'_>) {
        let is_new = !self.tracker.contains(event.cookie);
        self.tracker.on_destroy(event);
        if is_new && self.tracker.contains(event.cookie) {
            let identified = identities.identify_destroyed(event);
            self.sockets.entry(event.cookie).or_default().identified = Some(identified);
        }
        self.ends.entry(event.cookie).or_insert(*event);
    }

    fn end(&mut self, poll: PollEnded<'_>, identities: &mut Identities<'_>) {
        let Gaps { events_lost, without_events, dumps } = self.gaps.get();
        self.gaps.set(Gaps {
            events_lost: events_lost + poll.events_lost,
            without_events: without_events + u64::from(poll.ending.watch == Watch::Off),
            dumps: dumps + u64::from(!poll.ending.whole_dump),
        });
        self.activities.clear();
        let activities = &mut self.activities;
        self.tracker.end(poll.ending, |activity| activities.push((*activity, false)));
        // Stable: the first activity of a socket comes first.
        activities.sort_by_key(|(activity, _)| activity.cookie);
        let context = SampleContext {
            owners: poll.owners,
            interfaces: poll.interfaces,
            registry: identities.registry,
            identity: identities.identity,
        };
        if let Some(bytes) = poll.recorded {
            self.report_open(bytes, &context);
        }
        self.report_closed(&context);
        let (tracker, now) = (&self.tracker, self.samples);
        self.sockets.retain(|cookie, memory| memory.sample == now || tracker.contains(*cookie));
    }
}

/// The records of sockets in some datagrams.
fn replies(datagrams: &[u8]) -> impl Iterator<Item = Reply<'_>> {
    Messages::new(datagrams)
        .map_while(Result::ok)
        .filter(|message| {
            [uapi::SOCK_DIAG_BY_FAMILY, uapi::TCPDIAG_GETSOCK].contains(&message.kind)
        })
        .filter_map(|message| Reply::new(message.payload))
}

/// The positions of a socket's activities.
fn range(activities: &[(Activity, bool)], cookie: u64) -> std::ops::Range<usize> {
    let start = activities.partition_point(|(activity, _)| activity.cookie < cookie);
    let rest = activities.get(start..).unwrap_or_default();
    start..start + rest.iter().take_while(|(activity, _)| activity.cookie == cookie).count()
}

/// What a socket shows besides counters and clocks, as a hash.
fn mark(socket: &Socket) -> u64 {
    let mut hasher = FxHasher::default();
    (socket.state as u8, socket.inode, socket.remote).hash(&mut hasher);
    static LEVELS: LazyLock<Vec<&Field>> =
        LazyLock::new(|| fields::all().filter(|field| is_level(field)).collect());
    for field in LEVELS.iter() {
        match field.read(socket) {
            Reading::Integer(value) => value.hash(&mut hasher),
            Reading::Ratio(value) => value.to_bits().hash(&mut hasher),
            Reading::Absent => 1u8.hash(&mut hasher),
            Reading::Unset => 2u8.hash(&mut hasher),
        }
    }
    hasher.finish()
}

/// Whether a field only changes when something happens. The timer runs down by itself.
fn is_level(field: &Field) -> bool {
    matches!(field.kind, Kind::Gauge | Kind::Code)
        && field.unit != crate::model::Unit::Ratio
        && field.name != "timer_expires"
        && field.name != "inode"
}
