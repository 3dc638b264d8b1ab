//! One network namespace that is examined.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use rustc_hash::FxHashSet;

use crate::cli::owners::People;
use crate::counters::{CounterReader, Counters, parse_devices, read_softnet};
use crate::diagnose::{Examination, HostReading, Question};
use crate::filter::{Candidate, Expr, Owner, Plan, Verdict};
use crate::model::{Role, Socket, State};
use crate::report::{Namespace, Quality};
use crate::settings::Values;
use crate::source::{
    DumpOutcome, EventOptions, Events, Listeners, NetNamespace, PortNames, Query, Scope, Sockets,
};
use crate::wire::{EcnWord, Extensions, Reply, TcpInfo};

/// The files of whichever namespace the thread that reads them is in.
const COUNTERS: &str = "/proc/thread-self/net";

/// What is asked of every namespace.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) expr: Expr,
    pub(super) plan: Plan,
    /// The expression asks who holds a socket.
    pub(super) asks_for_owners: bool,
    pub(super) ports: PortNames,
    pub(super) ecn: EcnWord,
}

/// One network namespace.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) namespace: Namespace,
    place: NetNamespace,
    sockets: Sockets,
    listeners: Listeners,
    reader: CounterReader,
    events: Option<Events>,
    pub(super) examination: Examination,
    pub(super) quality: Quality,
    /// Sockets at the last look, as the kernel sent them.
    pub(super) dumped: u64,
    /// Listeners, for their holders to be looked up.
    pub(super) serving: Vec<Socket>,
    /// Sockets that the expression does not want, as their owners showed.
    unwanted: FxHashSet<u64>,
}

impl Place {
    /// Opens its tables and begins to listen for deaths; the first look is still to come.
    pub(super) fn open(
        place: &NetNamespace,
        question: Question,
        events: bool,
        quality: &mut Quality,
    ) -> anyhow::Result<Self> {
        let events = if events {
            let events = Events::open_in(place, &EventOptions::default());
            if let Err(error) = &events {
                quality.permission_limited.push(format!("deaths of sockets: {error}"));
            }
            events.ok()
        } else {
            None
        };
        Ok(Self {
            namespace: Namespace { inode: place.inode, name: place.name.clone() },
            sockets: place.inside(Sockets::open)??,
            listeners: Listeners::default(),
            reader: place.inside(|| CounterReader::new(Path::new(COUNTERS)).open())??,
            events,
            examination: Examination::new(question),
            quality: std::mem::take(quality),
            dumped: 0,
            serving: Vec::new(),
            unwanted: FxHashSet::default(),
            place: place.clone(),
        })
    }

    /// Reads the host's side: counters, processors, devices, connection tracking.
    pub(super) fn read_host(&mut self) -> anyhow::Result<()> {
        let mut counters = Counters::default();
        self.reader.sample(&mut counters)?;
        let reading = self.place.inside(|| HostReading {
            counters,
            softnet: read_softnet(Path::new(COUNTERS)).ok().flatten(),
            devices: std::fs::read_to_string("/proc/thread-self/net/dev")
                .map(|text| parse_devices(&text))
                .unwrap_or_default(),
            conntrack: conntrack(),
        })?;
        self.examination.read_host(reading);
        Ok(())
    }

    /// The settings of this namespace.
    pub(super) fn settings(&self) -> anyhow::Result<Values> {
        Ok(self.place.inside(|| Values::read(Path::new("/proc/sys")))?)
    }

    /// This namespace's local ports, as the classifier wants them.
    pub(super) fn ephemeral(settings: &Values) -> std::ops::RangeInclusive<u16> {
        let ends = settings.numbers("ip_local_port_range").unwrap_or_default();
        let mut ends = ends.into_iter().filter_map(|end| u16::try_from(end).ok());
        ends.next().unwrap_or(32_768)..=ends.next().unwrap_or(60_999)
    }

    /// A look at all its sockets, so long after the first.
    pub(super) fn look(
        &mut self,
        wanted: &Wanted,
        people: &mut People,
        at: Duration,
    ) -> anyhow::Result<()> {
        let outcome = self.listeners.read(&mut self.sockets)?;
        self.quality.add_dump(&outcome);
        self.examination.begin(at);
        self.serving.clear();
        let plan = &wanted.plan;
        let query = Query {
            families: plan.families,
            states: plan.states,
            extensions: Extensions::INFO.with(Extensions::SKMEMINFO),
            local_port: plan.local_port,
            remote_port: plan.remote_port,
            program: &plan.program,
        };
        let mut pass = Pass {
            examination: &mut self.examination,
            listeners: &self.listeners,
            namespace: &self.namespace,
            wanted,
            people,
            quality: &mut self.quality,
            serving: &mut self.serving,
            unwanted: &mut self.unwanted,
            waiting: Vec::new(),
        };
        let mut socket = Socket::BLANK;
        let outcome = self.sockets.read(&query, |reply| {
            pass.take(reply, &mut socket);
            ControlFlow::Continue(())
        })?;
        let waiting = std::mem::take(&mut pass.waiting);
        pass.ask(&waiting)?;
        self.dumped += outcome.sockets;
        self.quality.add_dump(&outcome);
        self.drain(wanted);
        let whole = outcome == DumpOutcome { sockets: outcome.sockets, ..DumpOutcome::default() };
        self.examination.end(whole, self.events.is_some());
        Ok(())
    }

    /// Takes the notices of deaths.
    fn drain(&mut self, wanted: &Wanted) {
        let Some(events) = &mut self.events else { return };
        let (examination, listeners) = (&mut self.examination, &self.listeners);
        let (unwanted, namespace) = (&self.unwanted, &self.namespace);
        let mut socket = Socket::BLANK;
        let mut unread = 0;
        let drained = events.drain(|reply| {
            if !socket.fill(reply, wanted.ecn) {
                unread += 1;
                return;
            }
            let (role, _) = listeners.connection(socket.local, socket.interface);
            let known = examination.knows(socket.cookie);
            let asked = || {
                candidate(wanted, namespace, &socket, role, Owner::Pending, None) == Verdict::Yes
            };
            if !unwanted.contains(&socket.cookie) && (known || asked()) {
                examination.bury(&socket, role);
            }
        });
        match drained {
            Ok(drained) => {
                self.quality.events_lost += drained.lost;
                self.quality.decode_errors += drained.decode_errors + unread;
            }
            Err(error) => {
                self.quality.permission_limited.push(format!("deaths of sockets: {error}"));
                self.events = None;
            }
        }
    }
}

/// Tracked connections and how many there may be, where they are tracked.
fn conntrack() -> Option<(u64, u64)> {
    let read = |name: &str| {
        let path = format!("/proc/sys/net/netfilter/nf_conntrack_{name}");
        std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok()
    };
    Some((read("count")?, read("max")?))
}

fn candidate(
    wanted: &Wanted,
    namespace: &Namespace,
    socket: &Socket,
    role: Role,
    owner: Owner<'_>,
    cgroup_path: Option<&str>,
) -> Verdict {
    if matches!(wanted.expr, Expr::True) {
        return Verdict::Yes;
    }
    let service = match role {
        Role::Server | Role::Listener => wanted.ports.name(socket.local.port),
        Role::Client => wanted.ports.name(socket.remote.port),
        Role::Unknown => None,
    };
    wanted.expr.eval(&Candidate {
        socket,
        role,
        service,
        netns: namespace.name.as_deref(),
        netns_inode: namespace.inode,
        cgroup_path,
        owner,
    })
}

/// A dump on its way into the examination.
struct Pass<'a> {
    examination: &'a mut Examination,
    listeners: &'a Listeners,
    namespace: &'a Namespace,
    wanted: &'a Wanted,
    people: &'a mut People,
    quality: &'a mut Quality,
    serving: &'a mut Vec<Socket>,
    unwanted: &'a mut FxHashSet<u64>,
    /// New sockets of which only their owner decides.
    waiting: Vec<(Socket, Role)>,
}

impl Pass<'_> {
    #[inline]
    fn take(&mut self, reply: &Reply<'_>, socket: &mut Socket) {
        if !socket.fill(reply, self.wanted.ecn) {
            self.quality.decode_errors += 1;
            return;
        }
        if socket.tcp_info.as_ref().is_some_and(TcpInfo::is_cut) {
            self.quality.truncated_tcp_info += 1;
        }
        let socket = &*socket;
        let (role, _) = self.listeners.role(socket);
        if !matches!(self.wanted.expr, Expr::True) {
            if self.unwanted.contains(&socket.cookie) {
                return;
            }
            self.people.learn_cgroup(socket);
            let path = self.people.cgroup_path(socket);
            match candidate(self.wanted, self.namespace, socket, role, Owner::Pending, path) {
                Verdict::No => return,
                Verdict::Yes => {}
                _ if self.examination.knows(socket.cookie) => {}
                _ => self.waiting.push((*socket, role)),
            }
        }
        if socket.state == State::Listen {
            self.serving.push(*socket);
        }
        self.examination.enter(socket, role);
    }

    /// Asks who holds the sockets that wait, and lets go of those that are not asked about.
    fn ask(&mut self, waiting: &[(Socket, Role)]) -> anyhow::Result<()> {
        if waiting.is_empty() || !self.wanted.asks_for_owners {
            return Ok(());
        }
        self.people.resolve(waiting.iter().map(|(socket, _)| socket), Some(Scope::All))?;
        for (socket, role) in waiting {
            let around = self.people.around(socket);
            let processes = around.for_filter();
            let owner = around.owner(&processes);
            let path = around.cgroup_path;
            if candidate(self.wanted, self.namespace, socket, *role, owner, path) != Verdict::Yes {
                self.examination.dismiss(socket.cookie);
                self.unwanted.insert(socket.cookie);
            }
        }
        Ok(())
    }
}
