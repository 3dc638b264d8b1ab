//! Watching the kernel.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rustc_hash::FxHashSet;

use super::collector::{RowCollector, take_rows};
use super::error::Error;
use super::filter::{Filter, ResolvedFilter};
use super::interval::Interval;
use super::rules::ServiceRules;
use super::{between, wall_time};
use crate::attribution::{IntervalSum, NamespaceAttribution};
use crate::counters::CounterWidth;
use crate::model::Socket;
use crate::monitor::{
    Consumer, CounterFiles, CounterGate, CpuBudget, Identities, Identity, Interest, Interfaces,
    Level, Looks, NamespaceMonitor, NamespaceSet, Opening, OwnerResolver, PollBegun, PollEnded,
    PollRequest, Shared, wants_all,
};
use crate::procfs::{Host, PortNames, Scope};
use crate::socket_diag::EventOptions;
use crate::sys::Clocks;
use crate::wire::Extensions;

/// How often [`Monitor::poll_after`] reads the counters.
const WATCH: Duration = Duration::from_millis(100);

/// What a [`Monitor`] watches. By default: the caller's network namespace, with destroy events, for
/// at most 1 % of a processor, without rows.
#[derive(Debug, Clone)]
pub struct MonitorOptions {
    namespaces: Vec<String>,
    rules: ServiceRules,
    destroy_events: bool,
    cpu_budget: f64,
    rows: Option<Filter>,
}

impl Default for MonitorOptions {
    fn default() -> Self {
        Self {
            namespaces: Vec::new(),
            rules: ServiceRules::default(),
            destroy_events: true,
            cpu_budget: 0.01,
            rows: None,
        }
    }
}

impl MonitorOptions {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Watches these network namespaces together: names of `ip netns`, process ids, paths, or `all`
    /// alone, which also takes those that are made later. Others than the caller's own need
    /// CAP_SYS_ADMIN (`setns()`).
    #[must_use]
    pub fn namespaces<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.namespaces = names.into_iter().map(Into::into).collect();
        self
    }

    /// Names services by these rules.
    #[must_use]
    pub fn service_rules(mut self, rules: ServiceRules) -> Self {
        self.rules = rules;
        self
    }

    /// Does not receive the kernel's destroy events (`SKNLGRP_INET_TCP_DESTROY`): connections that
    /// begin and end between two polls are not seen then, nor the last growth of those that end.
    #[must_use]
    pub fn without_destroy_events(mut self) -> Self {
        self.destroy_events = false;
        self
    }

    /// Processor time that this process may use with early polls, and with reading the counters for
    /// them, as a share of one processor from
    /// 0 to 1. 0 for no early polls.
    #[must_use]
    pub fn cpu_budget(mut self, share: f64) -> Self {
        self.cpu_budget = share.clamp(0.0, 1.0);
        self
    }

    /// Also keeps the sockets that pass, for [`Interval::rows`]: established, opening and closing
    /// connections and listeners, as far as the filter wants them.
    #[must_use]
    pub fn rows(mut self, filter: Filter) -> Self {
        self.rows = Some(filter);
        self
    }
}

/// Polls network namespaces, and divides what their TCP counters grew by among services.
///
/// A poll dumps the sockets and reads the counters before and after it. What the sockets show is
/// compared with the counters: see [`CounterRow`](crate::CounterRow). A monitor stays on its
/// thread; its intervals can be sent to others.
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::{TcpListener, TcpStream};
/// use tcpdiag::{Monitor, MonitorOptions, Role};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let port = listener.local_addr()?.port();
/// let mut client = TcpStream::connect(("127.0.0.1", port))?;
/// let (mut server, _) = listener.accept()?;
///
/// let rows = format!("sport = :{port}").parse()?;
/// let mut monitor = Monitor::start(&MonitorOptions::new().rows(rows))?;
/// client.write_all(&[0; 5000])?;
/// server.read_exact(&mut [0; 5000])?;
/// let interval = monitor.poll()?;
///
/// let own = |row: &&tcpdiag::ServiceRow| row.port == Some(port) && row.role == Role::Server;
/// let service = interval.services.iter().find(own).ok_or("the service of the listener")?;
/// assert_eq!(service.bytes_in, Some(5000));
/// assert_eq!(interval.rows[0].service.as_ref(), Some(&service.name));
/// if let Some(retransmits) = interval.counter("TcpRetransSegs") {
///     println!("{} retransmits, {} without a service", retransmits.growth, retransmits.unattributed);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Monitor {
    set: NamespaceSet<Watched>,
    specs: Vec<String>,
    rows: Option<ResolvedFilter>,
    width: CounterWidth,
    budget: CpuBudget,
    looks: Looks,
    /// When the last interval ended.
    since: Clocks,
    /// One point in time by both clocks.
    epoch: (Instant, Clocks),
}

impl std::fmt::Debug for Monitor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Monitor").field("namespaces", &self.specs).finish_non_exhaustive()
    }
}

impl Monitor {
    /// Opens the namespaces and polls them once: intervals begin here.
    ///
    /// # Errors
    /// [`Error::Filter`] for a name that does not exist, [`Error::Namespace`], [`Error::Kernel`],
    /// [`Error::Processes`].
    pub fn start(options: &MonitorOptions) -> Result<Self, Error> {
        let ports = PortNames::load();
        let rows = options
            .rows
            .as_ref()
            .map(|filter| filter.resolve(&ports, None, &options.namespaces))
            .transpose()?;
        let (host, now) = (Host::this(), Clocks::now());
        let shared = Shared {
            registry: options.rules.registry(ports),
            owners: OwnerResolver::kernel(Scope::First)?,
            ecn: host.ecn_word(),
            recorder: None,
        };
        let opening = Opening {
            files: CounterFiles::Catalogue,
            events: options.destroy_events.then(EventOptions::default),
            gate: CounterGate::new(None),
        };
        let machine = rustix::system::uname().machine().to_string_lossy().into_owned();
        let mut monitor = Self {
            set: NamespaceSet::new(shared, opening),
            specs: options.namespaces.clone(),
            rows,
            width: CounterWidth::of_machine(&machine),
            budget: CpuBudget::new(options.cpu_budget),
            looks: Looks::new(options.cpu_budget),
            since: now,
            epoch: (Instant::now(), now),
        };
        monitor.find_namespaces()?;
        monitor.since = monitor.first_polls(0)?;
        // The cost of the first polls is not the cost of watching.
        monitor.budget = CpuBudget::new(options.cpu_budget);
        monitor.looks = Looks::new(options.cpu_budget);
        Ok(monitor)
    }

    /// Polls the namespaces; returns what happened since the end of the previous interval.
    ///
    /// # Errors
    /// [`Error::Namespace`], [`Error::Kernel`], [`Error::Processes`].
    pub fn poll(&mut self) -> Result<Interval, Error> {
        let at = Clocks::now();
        let request = self.request(at, true);
        self.set.poll(0, &request)?;
        let mut total = IntervalSum::default();
        for member in &mut self.set.members {
            total.add(&member.consumer.attribution.begin_interval());
            let reason = member.monitor.no_events.take();
            total.quality.permission_limited.extend(reason);
        }
        self.set.shared.owners.report(&mut total.quality);
        total.quality.permission_limited.extend(self.set.unreachable());
        let length = between(self.since, at);
        self.since = at;
        let mut interval = Interval::new(wall_time(at), length, total, &self.set.shared.registry);
        let members = self.set.members.iter_mut();
        let collectors = members.filter_map(|member| member.consumer.rows.as_mut());
        // The attribution has the quality of the same polls.
        interval.rows = take_rows(collectors, &mut Default::default());
        if wants_all(&self.specs) {
            let before = self.find_namespaces()?;
            if before < self.set.members.len() {
                self.first_polls(before)?;
            }
        }
        Ok(interval)
    }

    /// Waits for `length`, then polls. Meanwhile the counters are read every 100 ms, and if one
    /// that indicates trouble moved, the sockets are polled early: the fewer sockets did something
    /// between two polls, the less has to be estimated. [`MonitorOptions::cpu_budget`] limits the
    /// cost.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub fn poll_after(&mut self, length: Duration) -> Result<Interval, Error> {
        let end = Instant::now() + length;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            std::thread::sleep(left.min(WATCH));
            if left <= WATCH {
                return self.poll();
            }
            self.budget.settle();
            self.looks.begin_round(self.set.members.len());
            while let Some(index) = self.looks.next(self.set.members.len()) {
                self.poll_early(index)?;
            }
        }
    }

    /// Polls a namespace if a counter that indicates trouble moved and the budget allows it.
    fn poll_early(&mut self, index: usize) -> Result<(), Error> {
        let (set, looks) = (&mut self.set, &mut self.looks);
        let cost = looks.look(|| set.cost_if_moved(index))?;
        // The poll that ends the interval needs as much again.
        if cost.is_some_and(|cost| self.budget.affords(cost * 2)) {
            let at = Clocks::now();
            let request = PollRequest { counters_are_read: true, ..self.request(at, false) };
            self.set.poll_one(index, &request)?;
            self.budget.settle();
        }
        Ok(())
    }

    /// Opens the namespaces that are not open yet; how many were.
    fn find_namespaces(&mut self) -> Result<usize, Error> {
        let (width, rows) = (self.width, &self.rows);
        let consumer = |monitor: &NamespaceMonitor| Watched {
            attribution: NamespaceAttribution::new(width),
            rows: rows
                .as_ref()
                .map(|filter| RowCollector::new(&monitor.namespace, filter, Level::Service)),
            ends_interval: false,
            asked: FxHashSet::default(),
        };
        Ok(self.set.find(&self.specs, |_, _| Ok(()), consumer)?)
    }

    /// Polls all namespaces but the first `known` for the first time; returns when.
    fn first_polls(&mut self, known: usize) -> Result<Clocks, Error> {
        let at = Clocks::now();
        let request = self.request(at, false);
        self.set.poll(known, &request)?;
        for member in self.set.members.iter_mut().skip(known) {
            member.consumer.attribution.begin_interval();
        }
        Ok(at)
    }

    fn request(&self, at: Clocks, ends_interval: bool) -> PollRequest<'static> {
        let (here, there) = self.epoch;
        let mut request = PollRequest::of_connections(here + between(there, at), ends_interval);
        if ends_interval && self.rows.is_some() {
            request.query.extensions = Extensions::ALL;
        }
        request
    }
}

/// The consumer of a namespace's polls.
struct Watched {
    attribution: NamespaceAttribution,
    rows: Option<RowCollector>,
    ends_interval: bool,
    /// Sockets whose identity the attribution requested, if rows are kept.
    asked: FxHashSet<u64>,
}

impl Watched {
    /// The rows, if this poll keeps them.
    fn rows(&mut self) -> Option<&mut RowCollector> {
        self.rows.as_mut().filter(|_| self.ends_interval)
    }
}

impl Consumer for Watched {
    fn begin(&mut self, poll: &PollBegun<'_>) {
        self.ends_interval = poll.ends_interval;
        self.asked.clear();
        self.attribution.begin(poll);
        if let Some(rows) = self.rows() {
            rows.begin(poll);
        }
    }

    fn observe(&mut self, socket: &Socket) -> Interest {
        let wanted = self.attribution.observe(socket);
        let Some(rows) = self.rows() else { return wanted };
        let own = rows.observe(socket);
        if wanted.level == Level::Nothing {
            return own;
        }
        self.asked.insert(socket.cookie);
        Interest { level: wanted.level.max(own.level), ..wanted }
    }

    fn identified(
        &mut self,
        socket: &Socket,
        identity: &Identity<'_>,
        interfaces: &mut Interfaces,
    ) -> ControlFlow<()> {
        let keeps_rows = self.rows().is_some();
        if !keeps_rows || self.asked.remove(&socket.cookie) {
            self.attribution.identified(socket, identity, interfaces)?;
        }
        match self.rows() {
            Some(rows) => rows.identified(socket, identity, interfaces),
            None => ControlFlow::Continue(()),
        }
    }

    fn on_destroy(&mut self, event: &Socket, identities: &mut Identities<'_>) {
        self.attribution.on_destroy(event, identities);
    }

    fn end(&mut self, poll: PollEnded<'_>, identities: &mut Identities<'_>) {
        self.attribution.end(poll, identities);
    }
}
