//! Synthetic sockets and hosts with a known truth.

use std::collections::BTreeMap;

pub(crate) use super::growth::Slot;
use super::{Hints, Interval, KernelCounters, Reading, Work};
use crate::counters::{CounterWidth, Counters, Group, parse_snmp};
use crate::identity::{
    DEFAULT_EPHEMERAL, NamespaceIdentity, Owner, ServiceId, ServiceRegistry, Subject,
};
use crate::model::example::{skmem, socket, tcp_info};
use crate::model::{Endpoint, Role, RoleBasis, Socket, State};
use crate::tracking::{Activity, COUNTERS, Delta, Identity};

/// Counters with these values.
pub(crate) fn counters<'a>(values: impl IntoIterator<Item = (&'a str, u64)>) -> Counters {
    let mut lines: BTreeMap<&str, (String, String)> = BTreeMap::new();
    for (name, value) in values {
        let (group, short) = Group::split(name).unwrap();
        let (names, numbers) = lines.entry(group.name()).or_default();
        *names += &format!(" {short}");
        *numbers += &format!(" {value}");
    }
    let text: String = lines
        .iter()
        .map(|(group, (names, numbers))| format!("{group}:{names}\n{group}:{numbers}\n"))
        .collect();
    parse_snmp(&text)
}

/// The counters of an interval: all zero at its start.
pub(crate) struct Host {
    zero: Counters,
    first: Counters,
    second: Counters,
}

impl Host {
    /// With this growth.
    pub(crate) fn grown(values: &[(&str, u64)]) -> Self {
        Self::read_twice(values, values)
    }

    /// With this growth before and after the last dump.
    pub(crate) fn read_twice(first: &[(&str, u64)], second: &[(&str, u64)]) -> Self {
        let zero = counters(second.iter().map(|(name, _)| (*name, 0)));
        let own =
            |values: &[(&str, u64)]| counters(values.iter().map(|&(name, value)| (name, value)));
        Self { zero, first: own(first), second: own(second) }
    }

    /// The interval in which the sockets did this.
    pub(crate) fn interval<'a>(&'a self, work: &'a [Work]) -> Interval<'a> {
        Interval {
            before: Reading { first: &self.zero, second: &self.zero },
            after: Reading { first: &self.first, second: &self.second },
            width: CounterWidth::Bits64,
            kernel: KernelCounters::of(work.iter().map(Work::growth).collect::<Vec<_>>().iter()),
            work,
            listeners: &[],
            requests: &[],
            established: &[],
            is_established_inferred: false,
            notified: true,
            events_lost: 0,
            late: 0.0,
            carried_over: Default::default(),
        }
    }
}

/// Builder of a socket's work.
#[derive(Clone)]
pub(crate) struct Sketch {
    words: Vec<(usize, u32)>,
    drops: Option<u32>,
    work: Work,
}

fn record(words: &[(usize, u32)], drops: Option<u32>) -> Socket {
    Socket { tcp_info: Some(tcp_info(words)), skmem: drops.map(skmem), ..socket() }
}

impl Sketch {
    /// An established socket of a service that existed before, not in state Loss.
    pub(crate) fn new(service: u32, role: Role) -> Self {
        let base = socket();
        let identity = Identity {
            local: base.local,
            remote: base.remote,
            state: State::Established,
            interface: 0,
            uid: 0,
            inode: 1,
            cgroup_id: None,
        };
        let nothing = record(&[], None);
        let delta = Delta::between(&nothing, &nothing);
        let activity = Activity {
            cookie: 1,
            identity,
            tag: None,
            delta,
            before: None,
            after: None,
            opened: false,
            closed: false,
            in_baseline: true,
            wiped: false,
            vanished: false,
        };
        let hints = Hints {
            state_before: Some(State::Established),
            in_loss: Some(false),
            mss: Some(1000),
            ..Hints::default()
        };
        let work = Work { activity, service: ServiceId(service), is_certain: true, role, hints };
        Self { words: Vec::new(), drops: None, work }
    }

    pub(crate) fn grew(mut self, slot: Slot, by: u64) -> Self {
        if slot == Slot::Drops {
            self.drops = Some(by as u32);
            return self;
        }
        // total_rto is the lower half of its word.
        let at = COUNTERS[slot as usize].slot().unwrap().range().0;
        self.words.push((at, by as u32));
        self
    }

    /// Its owner, role or service is inferred.
    pub(crate) fn inferred(mut self) -> Self {
        self.work.is_certain = false;
        self
    }

    pub(crate) fn opened(mut self) -> Self {
        self.work.activity.opened = true;
        self.work.hints.state_before = None;
        self.work.hints.in_loss = None;
        self
    }

    pub(crate) fn closed(mut self) -> Self {
        self.work.activity.closed = true;
        self
    }

    pub(crate) fn state(mut self, state: State) -> Self {
        self.work.activity.identity.state = state;
        self
    }

    pub(crate) fn hints(mut self, change: impl FnOnce(&mut Hints)) -> Self {
        change(&mut self.work.hints);
        self
    }

    pub(crate) fn work(mut self) -> Work {
        let zero = self.drops.map(|_| 0);
        self.work.activity.delta =
            Delta::between(&record(&[], zero), &record(&self.words, self.drops));
        self.work
    }
}

fn endpoint(text: &str) -> Endpoint {
    let address: std::net::SocketAddr = text.parse().unwrap();
    Endpoint { address: address.ip(), port: address.port() }
}

fn service(
    registry: &mut ServiceRegistry,
    [local, remote]: [Endpoint; 2],
    owner: Owner<'_>,
    role: Role,
) -> ServiceId {
    let is_held = owner != Owner::default();
    let subject = Subject { local, remote, interface: 0, owner, is_held, is_queued: false };
    let mut identity = NamespaceIdentity::new(DEFAULT_EPHEMERAL);
    identity.identify(registry, &subject, (role, RoleBasis::TcpInfo)).service
}

/// The service of a server's connection whose holder is known.
pub(crate) fn server_of(
    registry: &mut ServiceRegistry,
    local: &str,
    owner: Owner<'_>,
) -> ServiceId {
    service(registry, [endpoint(local), socket().remote], owner, Role::Server)
}

/// The same where only the name of the holder is known.
pub(crate) fn server_of_process(
    registry: &mut ServiceRegistry,
    local: &str,
    process: &str,
) -> ServiceId {
    server_of(registry, local, Owner { process: Some(process), ..Owner::default() })
}

/// The service of a client's connection whose holder is unknown.
pub(crate) fn client_of(registry: &mut ServiceRegistry, remote: &str) -> ServiceId {
    let local = Endpoint { port: 45_000, ..socket().local };
    service(registry, [local, endpoint(remote)], Owner::default(), Role::Client)
}
