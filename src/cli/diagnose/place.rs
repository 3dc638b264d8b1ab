//! One network namespace that is examined, here or in a recording.

use std::ops::{ControlFlow, RangeInclusive};
use std::path::Path;
use std::time::Duration;

use rustc_hash::FxHashSet;

use super::DiagnoseCommand;
use crate::cli::owners::People;
use crate::cli::scene::Line;
use crate::cli::services::feed::{Deaths, Feed, Files, Heard, Side};
use crate::counters::{CounterReader, Counters, parse_devices, parse_softnet, read_softnet};
use crate::diagnosis::{Diagnosis, HostReading, Question};
use crate::filter::{Candidate, Expr, Owner, Plan, Verdict};
use crate::model::{Role, Socket, State, StateSet};
use crate::procfs::{NetNamespace, PortNames, Scope};
use crate::recording;
use crate::report::{Namespace, Quality};
use crate::settings::Values;
use crate::socket_diag::{DumpOutcome, Error, EventOptions, Events, Listeners, Query, Sockets};
use crate::sys::NetlinkSocket;
use crate::wire::{EcnWord, Extensions, Reply, TcpInfo};

/// The files of whichever namespace the thread that reads them is in.
const COUNTERS: &str = "/proc/thread-self/net";

/// The kernel's default of `net.ipv4.ip_local_port_range`.
pub(super) const EPHEMERAL: RangeInclusive<u16> = 32_768..=60_999;

/// Local ports of clients, where they are set.
pub(super) fn ephemeral(settings: &Values) -> RangeInclusive<u16> {
    let ends = settings.numbers("ip_local_port_range").unwrap_or_default();
    let mut ends = ends.into_iter().filter_map(|end| u16::try_from(end).ok());
    ends.next().unwrap_or(*EPHEMERAL.start())..=ends.next().unwrap_or(*EPHEMERAL.end())
}

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

/// Everything but bound sockets that are no connections.
const STATES: StateSet = StateSet::of(&[
    State::Established,
    State::SynSent,
    State::SynRecv,
    State::FinWait1,
    State::FinWait2,
    State::TimeWait,
    State::CloseWait,
    State::LastAck,
    State::Listen,
    State::Closing,
]);

impl Wanted {
    /// What the arguments and this expression want.
    pub(super) fn new(
        command: &DiagnoseCommand,
        expr: Expr,
        ports: PortNames,
        ecn: EcnWord,
    ) -> Self {
        let mut plan = expr.plan(STATES, command.filter.plan_options());
        plan.states = plan.states.intersection(STATES);
        let asks_for_owners = expr.needs().owner;
        Self { expr, plan, asks_for_owners, ports, ecn }
    }
}

/// Where it is.
#[derive(Debug)]
enum Ground {
    Here(NetNamespace),
    /// In a recording, with these settings.
    Recorded(String),
}

/// One network namespace.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) namespace: Namespace,
    ground: Ground,
    feed: Feed,
    listeners: Listeners,
    pub(super) diagnosis: Diagnosis,
    pub(super) quality: Quality,
    /// Sockets of all looks, as the kernel sent them.
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
        let deaths = match events.then(|| Events::open_in(place, &EventOptions::default())) {
            None => Deaths::None,
            Some(Ok(events)) => Deaths::Kernel(events),
            Some(Err(error)) => {
                quality.permission_limited.push(format!("deaths of sockets: {error}"));
                Deaths::None
            }
        };
        let socket = place
            .inside(NetlinkSocket::open)?
            .map_err(|source| Error::Socket { operation: "open", source })?;
        let feed = Feed {
            sockets: Sockets::over(Line::Kernel(socket)),
            files: Files::Kernel(place.inside(|| CounterReader::new(Path::new(COUNTERS)).open())??),
            deaths,
        };
        let namespace = Namespace { inode: place.inode, name: place.name.clone() };
        let settings = place.inside(|| Values::read(Path::new("/proc/sys")))?;
        let question = Question { ephemeral: ephemeral(&settings), ..question };
        Ok(Self::over(namespace, Ground::Here(place.clone()), feed, question))
    }

    /// A namespace of a recording.
    pub(super) fn recorded(
        recorded: &recording::RecordedNamespace,
        question: Question,
        events: bool,
    ) -> Self {
        let namespace = Namespace { inode: recorded.inode, name: recorded.name.clone() };
        let mut feed = Feed::recorded(events && recorded.part.drained.is_some());
        let texts = [Vec::new(), Vec::new()];
        feed.files = Files::Recorded { texts, reader: CounterReader::given() };
        let settings = recorded.settings.clone();
        let ephemeral = ephemeral(&Values::recorded(&settings));
        Self::over(namespace, Ground::Recorded(settings), feed, Question { ephemeral, ..question })
    }

    fn over(namespace: Namespace, ground: Ground, feed: Feed, question: Question) -> Self {
        Self {
            namespace,
            ground,
            feed,
            listeners: Listeners::default(),
            diagnosis: Diagnosis::new(question),
            quality: Quality::default(),
            dumped: 0,
            serving: Vec::new(),
            unwanted: FxHashSet::default(),
        }
    }

    /// Takes what the next sample of the recording holds of it.
    pub(super) fn load(&mut self, namespace: &mut recording::RecordedNamespace) {
        self.feed.load(&mut namespace.part);
        if let Ground::Recorded(settings) = &mut self.ground {
            settings.clone_from(&namespace.settings);
        }
    }

    /// Reads the host's side: counters, processors, devices and connection tracking.
    pub(super) fn read_host(&mut self, side: Side) -> anyhow::Result<()> {
        let mut counters = Counters::default();
        self.feed.count(side, &mut counters)?;
        let reading = match &self.ground {
            Ground::Recorded(_) => HostReading {
                counters,
                softnet: self.feed.text(side, "softnet_stat").map(parse_softnet),
                devices: self.feed.text(side, "dev").map(parse_devices).unwrap_or_default(),
                conntrack: conntrack(|name| self.feed.text(side, name).map(str::to_owned)),
            },
            Ground::Here(place) => place.inside(|| HostReading {
                counters,
                softnet: read_softnet(Path::new(COUNTERS)).ok().flatten(),
                devices: std::fs::read_to_string("/proc/thread-self/net/dev")
                    .map(|text| parse_devices(&text))
                    .unwrap_or_default(),
                conntrack: conntrack(|name| {
                    std::fs::read_to_string(Path::new("/proc/sys/net/netfilter").join(name)).ok()
                }),
            })?,
        };
        self.diagnosis.read_host(reading);
        Ok(())
    }

    /// The settings of this namespace.
    pub(super) fn settings(&self) -> anyhow::Result<Values> {
        Ok(match &self.ground {
            Ground::Here(place) => place.inside(|| Values::read(Path::new("/proc/sys")))?,
            Ground::Recorded(settings) => Values::recorded(settings),
        })
    }

    /// A look at all its sockets, so long after the first.
    pub(super) fn look(
        &mut self,
        wanted: &Wanted,
        people: &mut People,
        at: Duration,
    ) -> anyhow::Result<()> {
        let outcome = self.listeners.read(&mut self.feed.sockets)?;
        self.quality.add_dump(&outcome);
        self.diagnosis.begin(at);
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
            diagnosis: &mut self.diagnosis,
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
        let outcome = self.feed.read(&query, |reply| {
            pass.take(reply, &mut socket);
            ControlFlow::Continue(())
        })?;
        let waiting = std::mem::take(&mut pass.waiting);
        pass.ask(&waiting)?;
        self.dumped += outcome.sockets;
        self.quality.add_dump(&outcome);
        self.drain(wanted);
        let whole = outcome == DumpOutcome { sockets: outcome.sockets, ..DumpOutcome::default() };
        self.diagnosis.end(whole, self.feed.hears());
        Ok(())
    }

    /// Takes the notices of deaths.
    fn drain(&mut self, wanted: &Wanted) {
        let (diagnosis, listeners) = (&mut self.diagnosis, &self.listeners);
        let (unwanted, namespace) = (&self.unwanted, &self.namespace);
        let mut socket = Socket::BLANK;
        let mut unread = 0;
        let heard = self.feed.drain(|reply| {
            if !socket.fill(reply, wanted.ecn) {
                unread += 1;
                return;
            }
            let (role, _) = listeners.connection(socket.local, socket.interface);
            let known = diagnosis.knows(socket.cookie);
            let asked = || {
                candidate(wanted, namespace, &socket, role, Owner::Pending, None) == Verdict::Yes
            };
            if !unwanted.contains(&socket.cookie) && (known || asked()) {
                diagnosis.on_destroy(&socket, role);
            }
        });
        match heard {
            Heard::Nothing => {}
            Heard::These(drained) => {
                self.quality.events_lost += drained.lost;
                self.quality.decode_errors += drained.decode_errors + unread;
            }
            Heard::NoMore(reason) => {
                self.quality.permission_limited.push(format!("deaths of sockets: {reason}"));
            }
        }
    }
}

/// Tracked connections and how many there may be, where they are tracked.
fn conntrack(text: impl Fn(&str) -> Option<String>) -> Option<(u64, u64)> {
    let read = |name: &str| text(name)?.trim().parse::<u64>().ok();
    Some((read("nf_conntrack_count")?, read("nf_conntrack_max")?))
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

/// A dump on its way into the diagnosis.
struct Pass<'a> {
    diagnosis: &'a mut Diagnosis,
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
                _ if self.diagnosis.knows(socket.cookie) => {}
                _ => self.waiting.push((*socket, role)),
            }
        }
        if socket.state == State::Listen {
            self.serving.push(*socket);
        }
        self.diagnosis.enter(socket, role);
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
                self.diagnosis.dismiss(socket.cookie);
                self.unwanted.insert(socket.cookie);
            }
        }
        Ok(())
    }
}
