//! Synthetic sockets and hosts with a known truth.

use std::collections::BTreeMap;

pub(crate) use super::growth::Slot;
use super::{Facts, Hints, Interval, Owner, Reading, ServiceId, Work};
use crate::counters::{CounterWidth, Counters, Group, parse_snmp};
use crate::model::example::{skmem, socket, tcp_info};
use crate::model::{Endpoint, Role, Socket, State};
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

    /// The interval in which sockets did this.
    pub(crate) fn interval<'a>(&'a self, work: &'a [Work]) -> Interval<'a> {
        Interval {
            before: Reading { first: &self.zero, second: &self.zero },
            after: Reading { first: &self.first, second: &self.second },
            width: CounterWidth::Bits64,
            work,
            listeners: &[],
            requests: &[],
            established: &[],
            notified: true,
            events_lost: 0,
            late: 0.0,
            owed: Default::default(),
        }
    }
}

/// A socket in the making.
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
    /// An established socket of a service that was there before, not in state Loss.
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
            born_before_first_look: true,
            wiped: false,
            vanished: false,
        };
        let hints = Hints {
            state_before: Some(State::Established),
            in_loss: Some(false),
            mss: Some(1000),
            ..Hints::default()
        };
        let work = Work { activity, service: ServiceId(service), role, hints };
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

/// What is known of a server's socket that this process holds.
pub(crate) fn server_facts<'a>(local: &str, process: &'a str) -> Facts<'a> {
    let local: std::net::SocketAddr = local.parse().unwrap();
    let local = Endpoint { address: local.ip(), port: local.port() };
    let remote = socket().remote;
    let owner = Owner { process: Some(process), ..Owner::default() };
    Facts { local, remote, role: Role::Server, owner }
}
