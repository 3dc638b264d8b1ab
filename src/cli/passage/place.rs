//! One network namespace of a recording, sample by sample.

use std::cell::Cell;
use std::hash::{Hash as _, Hasher as _};
use std::ops::RangeInclusive;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use super::{Gaps, Holding};
use crate::attribution::{Classifier, Facts, ServiceId};
use crate::model::{Field, Kind, Reading, Role, Socket, State, fields};
use crate::recording::{RecordedNamespace, Sample, SamplePart};
use crate::socket_diag::Listeners;
use crate::tracking::{Activity, Delta, Ending, Entered, Ledger, Watch};
use crate::wire::{EcnWord, Messages, Reply, TCPDIAG_GETSOCK};

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;

/// The range of ports that clients get, and the kernel's default of it.
const RANGE: &str = "net.ipv4.ip_local_port_range";
const EPHEMERAL: RangeInclusive<u16> = 32768..=60999;

/// What all namespaces of a sample have in common.
pub(super) struct Poll<'a> {
    pub(super) sample: &'a Sample,
    pub(super) now: Instant,
    pub(super) ecn: EcnWord,
    pub(super) minisocks: bool,
}

/// What a service is called, and its role.
pub(super) type Label = (String, &'static str);

/// Names of services.
pub(super) struct Names<'a> {
    pub(super) classifier: &'a mut Classifier,
    pub(super) labels: &'a mut Vec<Label>,
}

/// A socket in a sample, or its end.
pub(in crate::cli) struct Sight<'a> {
    pub(in crate::cli) sample: &'a Sample,
    pub(in crate::cli) namespace: &'a RecordedNamespace,
    /// Time since the sample before.
    pub(in crate::cli) interval: Option<Duration>,
    /// As it is in the dump. Of one that is gone what the kernel told of its end, with the
    /// identity and the state of when it was last seen.
    pub(in crate::cli) socket: &'a Socket,
    /// Whether the socket's figures mean anything: nothing is known of how one ended that
    /// vanished, or was wiped.
    pub(in crate::cli) figures: bool,
    pub(in crate::cli) role: Role,
    pub(in crate::cli) label: &'a str,
    /// Of the service, which may know better than `role`.
    pub(in crate::cli) service_role: &'static str,
    /// What it did; `None` for one that did nothing that counts.
    pub(in crate::cli) activity: Option<&'a Activity>,
    /// What grew; `None` where there is nothing to compare with.
    pub(in crate::cli) delta: Option<Delta>,
    /// Whether anything but a clock is another than in the sample before.
    pub(in crate::cli) moved: bool,
    /// Whether it was marked as told before.
    pub(in crate::cli) seen: &'a Seen,
}

/// What is remembered of a socket.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Seen {
    /// Its gauges and states in the last sample, as a hash.
    mark: u64,
    /// The last sample that had it, counted from 1.
    sample: u64,
    inode: u32,
    cgroup: Option<u64>,
    service: Option<ServiceId>,
    /// Whether it was told.
    told: Cell<bool>,
}

impl Seen {
    /// Marks it as told.
    pub(in crate::cli) fn tell(&self) {
        self.told.set(true);
    }

    pub(in crate::cli) fn was_told(&self) -> bool {
        self.told.get()
    }
}

/// A namespace.
#[derive(Debug, Default)]
pub(super) struct Place {
    ledger: Ledger,
    listeners: Listeners,
    sockets: FxHashMap<u64, Seen>,
    /// Samples so far.
    samples: u64,
    /// When the last one began, by the clock that never jumps.
    before: Option<u64>,
    interval: Option<Duration>,
    /// Used again for each sample.
    activities: Vec<(Activity, bool)>,
}

impl Place {
    /// Takes its part of a sample.
    pub(super) fn take(
        &mut self,
        namespace: &RecordedNamespace,
        poll: &Poll<'_>,
        names: &mut Names<'_>,
        gaps: &mut Gaps,
        each: &mut dyn FnMut(&Sight<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if namespace.part.parts.is_empty() {
            // It was not looked at: its interval goes on.
            return Ok(());
        }
        self.samples += 1;
        let now = poll.sample.clocks.monotonic_ns;
        let before = self.before.replace(now).and_then(|before| now.checked_sub(before));
        self.interval = before.filter(|&length| length > 0).map(Duration::from_nanos);
        names.classifier.enter(namespace.inode, ephemeral(namespace).unwrap_or(EPHEMERAL));
        self.listen(namespace, poll, names);
        self.ledger.begin(poll.now);
        self.enter(namespace, poll, names);
        let ends = self.on_destroy(namespace, poll);
        let ending = ending(&namespace.part, gaps);
        self.activities.clear();
        let activities = &mut self.activities;
        self.ledger.end(ending, |activity| activities.push((*activity, false)));
        // Stable: of one socket's activities the first comes first.
        activities.sort_by_key(|(activity, _)| activity.cookie);
        self.show_living(namespace, poll, names, each)?;
        self.show_dead(namespace, poll, names, &ends, each)?;
        let (ledger, now) = (&self.ledger, self.samples);
        self.sockets.retain(|cookie, seen| seen.sample == now || ledger.knows(*cookie));
        Ok(())
    }

    /// Learns who listens.
    fn listen(&mut self, namespace: &RecordedNamespace, poll: &Poll<'_>, names: &mut Names<'_>) {
        self.listeners.clear();
        let mut socket = Socket::BLANK;
        for reply in replies(&namespace.part.dump) {
            if reply.state() == State::Listen as u8 && socket.fill(&reply, poll.ecn) {
                self.listeners.learn(&socket);
                let holding = Holding::of(poll.sample, socket.inode, socket.cgroup_id);
                names.classifier.learn_listener(socket.local, &holding.owner());
            }
        }
    }

    fn enter(&mut self, namespace: &RecordedNamespace, poll: &Poll<'_>, names: &mut Names<'_>) {
        let mut socket = Socket::BLANK;
        for reply in replies(&namespace.part.dump) {
            if !socket.fill(&reply, poll.ecn) {
                continue;
            }
            if self.ledger.enter(&socket) == Entered::Untagged {
                let (role, _) = self.listeners.role(&socket);
                let service = names.service(&socket, role, poll.sample);
                self.ledger.tag(socket.cookie, service.0);
                if let Some(seen) = self.sockets.get_mut(&socket.cookie) {
                    seen.service = Some(service);
                }
            }
        }
    }

    /// Enters the destroy events; tells where each one's record is.
    fn on_destroy<'p>(
        &mut self,
        namespace: &'p RecordedNamespace,
        poll: &Poll<'_>,
    ) -> FxHashMap<u64, Reply<'p>> {
        let mut ends = FxHashMap::default();
        let mut socket = Socket::BLANK;
        for reply in replies(&namespace.part.events) {
            if socket.fill(&reply, poll.ecn) {
                self.ledger.on_destroy(&socket);
                ends.entry(socket.cookie).or_insert(reply);
            }
        }
        ends
    }

    /// Hands on the sockets of the dump.
    fn show_living(
        &mut self,
        namespace: &RecordedNamespace,
        poll: &Poll<'_>,
        names: &mut Names<'_>,
        each: &mut dyn FnMut(&Sight<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut socket = Socket::BLANK;
        for reply in replies(&namespace.part.dump) {
            if !socket.fill(&reply, poll.ecn) || socket.is_minisock() && !poll.minisocks {
                continue;
            }
            let cookie = socket.cookie;
            if self.sockets.get(&cookie).is_some_and(|seen| seen.sample == self.samples) {
                // The kernel may send a socket twice that moves in its tables.
                continue;
            }
            let range = range(&self.activities, cookie);
            let own = self.activities.get_mut(range).unwrap_or_default();
            if own.iter().any(|(activity, _)| activity.closed) {
                continue;
            }
            let role = self.listeners.role(&socket).0;
            let tag = own.first().and_then(|(activity, _)| activity.tag).map(ServiceId);
            let seen = self.sockets.entry(cookie).or_default();
            let service =
                tag.or(seen.service).unwrap_or_else(|| names.service(&socket, role, poll.sample));
            let mark = mark(&socket);
            let was_there = seen.sample > 0;
            let changed = !was_there || seen.mark != mark;
            (seen.mark, seen.sample, seen.service) = (mark, self.samples, Some(service));
            if socket.inode != 0 || seen.inode == 0 {
                (seen.inode, seen.cgroup) = (socket.inode, socket.cgroup_id);
            }
            let (label, service_role) = names.label(service);
            let sight = Sight {
                sample: poll.sample,
                namespace,
                interval: self.interval,
                socket: &socket,
                figures: true,
                role,
                label,
                service_role,
                activity: None,
                delta: None,
                moved: changed,
                seen,
            };
            if own.is_empty() {
                // Nothing grew since the sample before, if it was there.
                let still = (self.samples > 1 && was_there && !socket.is_minisock())
                    .then(|| Delta::between(&socket, &socket));
                each(&Sight { delta: still, ..sight })?;
                continue;
            }
            for (activity, shown) in own {
                *shown = true;
                let delta = Some(activity.delta);
                let moved = changed || activity.opened || !activity.delta.is_zero();
                each(&Sight { activity: Some(activity), delta, moved, ..sight })?;
            }
        }
        Ok(())
    }

    /// Hands on what is in no dump.
    fn show_dead(
        &mut self,
        namespace: &RecordedNamespace,
        poll: &Poll<'_>,
        names: &mut Names<'_>,
        ends: &FxHashMap<u64, Reply<'_>>,
        each: &mut dyn FnMut(&Sight<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut socket = Socket::BLANK;
        for (activity, _) in self.activities.iter().filter(|(_, shown)| !shown) {
            let end = ends.get(&activity.cookie).filter(|_| !activity.wiped);
            let figures = end.is_some_and(|end| socket.fill(end, poll.ecn));
            if !figures {
                socket.copy_from(&Socket::BLANK);
                socket.cookie = activity.cookie;
            }
            let identity = &activity.identity;
            (socket.local, socket.remote) = (identity.local, identity.remote);
            (socket.state, socket.interface) = (identity.state, identity.interface);
            (socket.uid, socket.inode) = (identity.uid, identity.inode);
            socket.cgroup_id = identity.cgroup_id;
            let role = match socket.state {
                State::Listen => Role::Listener,
                _ => self.listeners.connection(socket.local, socket.interface).0,
            };
            let blank = Seen::default();
            let seen = self.sockets.get(&activity.cookie).unwrap_or(&blank);
            let service = activity.tag.map(ServiceId).or(seen.service);
            let service = service.unwrap_or_else(|| names.service(&socket, role, poll.sample));
            let (label, service_role) = names.label(service);
            each(&Sight {
                sample: poll.sample,
                namespace,
                interval: self.interval,
                socket: &socket,
                figures,
                role,
                label,
                service_role,
                activity: Some(activity),
                delta: Some(activity.delta),
                moved: true,
                seen,
            })?;
        }
        Ok(())
    }

    /// The inodes and cgroups of all sockets that may still be told of.
    pub(super) fn names_in_use(&self, inodes: &mut FxHashSet<u32>, cgroups: &mut FxHashSet<u64>) {
        inodes.extend(self.sockets.values().map(|seen| seen.inode));
        cgroups.extend(self.sockets.values().filter_map(|seen| seen.cgroup));
    }
}

impl Names<'_> {
    /// The service of a socket.
    fn service(&mut self, socket: &Socket, role: Role, sample: &Sample) -> ServiceId {
        let holding = Holding::of(sample, socket.inode, socket.cgroup_id);
        let facts =
            Facts { local: socket.local, remote: socket.remote, role, owner: holding.owner() };
        let service = self.classifier.classify(&facts);
        while self.labels.len() <= service.index() {
            let next = ServiceId(self.labels.len() as u32);
            let key = self.classifier.key(next);
            let label = key.map(|key| (key.label().into_owned(), key.role.name()));
            self.labels.push(label.unwrap_or_default());
        }
        service
    }

    fn label(&self, service: ServiceId) -> (&str, &'static str) {
        let label = self.labels.get(service.index());
        label.map_or(("", ""), |(name, role)| (name.as_str(), *role))
    }
}

/// The records of sockets in some datagrams.
fn replies(datagrams: &[u8]) -> impl Iterator<Item = Reply<'_>> {
    Messages::new(datagrams)
        .map_while(Result::ok)
        .filter(|message| [BY_FAMILY, TCPDIAG_GETSOCK].contains(&message.kind))
        .filter_map(|message| Reply::new(message.payload))
}

/// A namespace's range of ephemeral ports.
fn ephemeral(namespace: &RecordedNamespace) -> Option<RangeInclusive<u16>> {
    let mut ends = namespace.setting(RANGE)?.split_whitespace().map_while(|end| end.parse().ok());
    Some(ends.next()?..=ends.next()?)
}

/// What is known of deaths in a sample; counts what is not.
fn ending(take: &SamplePart, gaps: &mut Gaps) -> Ending {
    let watch = match take.drained {
        None => Watch::Off,
        Some(drained) if drained.lost + drained.overruns + drained.decode_errors == 0 => {
            Watch::Whole
        }
        Some(_) => Watch::Lossy,
    };
    let whole_dump = take.parts.iter().all(|part| part.interrupted == Some(0));
    gaps.deaf += u64::from(take.drained.is_none());
    gaps.events_lost += take.drained.map_or(0, |drained| drained.lost);
    gaps.dumps += u64::from(!whole_dump);
    Ending { watch, whole_dump }
}

/// Where the activities of a socket are.
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
