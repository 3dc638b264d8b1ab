//! All sockets at one time.

use std::time::{Instant, SystemTime};

use super::collector::{RowCollector, take_rows};
use super::error::Error;
use super::filter::{Filter, ResolvedFilter};
use super::row::SocketRow;
use super::rules::ServiceRules;
use super::wall_time;
use crate::monitor::{
    CounterFiles, CounterGate, Level, MonitorError, NamespaceMonitor, NamespaceSet, Opening,
    OwnerResolver, PollRequest, Quality, Shared,
};
use crate::procfs::{Host, PortNames, Scope, capabilities};
use crate::socket_diag::Query;
use crate::sys::Clocks;
use crate::wire::Extensions;

/// How often a dump is read again during which the kernel's table changed (`NLM_F_DUMP_INTR`).
const TRIES: u32 = 3;

/// What a [`Snapshot`] is of. By default: the connections of the caller's network namespace, with
/// their services and without the processes that hold them.
#[derive(Debug, Clone)]
pub struct SnapshotOptions {
    namespaces: Vec<String>,
    filter: Filter,
    rules: ServiceRules,
    level: Level,
}

impl Default for SnapshotOptions {
    fn default() -> Self {
        Self {
            namespaces: Vec::new(),
            filter: Filter::default(),
            rules: ServiceRules::default(),
            level: Level::Service,
        }
    }
}

impl SnapshotOptions {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only the sockets that pass.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = filter;
        self
    }

    /// The sockets of these network namespaces: names of `ip netns`, process ids, paths, or `all`
    /// alone. Others than the caller's own need CAP_SYS_ADMIN (`setns()`).
    #[must_use]
    pub fn namespaces<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.namespaces = names.into_iter().map(Into::into).collect();
        self
    }

    /// Looks up the processes that hold each socket. Costs a walk through /proc; the processes of
    /// other users need CAP_SYS_PTRACE.
    #[must_use]
    pub fn owners(mut self) -> Self {
        self.level = Level::Processes;
        self
    }

    /// Only roles, and neither services nor owners unless the filter asks for them: nothing is read
    /// from /proc.
    #[must_use]
    pub fn without_services(mut self) -> Self {
        self.level = Level::Role;
        self
    }

    /// Names services by these rules.
    #[must_use]
    pub fn service_rules(mut self, rules: ServiceRules) -> Self {
        self.rules = rules;
        self
    }
}

/// The sockets of one or several network namespaces at one time.
///
/// ```
/// use std::net::{TcpListener, TcpStream};
/// use tcpdiag::{Role, Snapshot, SnapshotOptions, State};
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let port = listener.local_addr()?.port();
/// let client = TcpStream::connect(("127.0.0.1", port))?;
/// let (_server, _) = listener.accept()?;
///
/// let filter = format!("dport = :{port} and state established").parse()?;
/// let snapshot = Snapshot::take(&SnapshotOptions::new().filter(filter).owners())?;
/// let [row] = &snapshot.rows[..] else { panic!("one connection: {:?}", snapshot.rows) };
/// assert_eq!(row.local(), client.local_addr()?);
/// assert_eq!((row.state(), row.role), (State::Established, Role::Client));
/// assert_eq!(row.retransmits(), Some(0));
/// println!("{:?} rtt {:?} held by {:?}", row.service, row.rtt(), row.owners);
///
/// // A row is still right if something could not be read; this says what that was.
/// for what in &snapshot.quality.permission_limited {
///     eprintln!("{what}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Snapshot {
    /// When it was begun, by the wall clock of its host.
    pub captured_at: SystemTime,
    /// The host's name (`uname -n`).
    pub hostname: String,
    /// The host's kernel (`uname -r`).
    pub kernel: String,
    /// The sockets that pass the filter, listeners first, else in the kernel's order.
    pub rows: Vec<SocketRow>,
    /// What could not be read, and other limits of these rows.
    pub quality: Quality,
}

impl Snapshot {
    /// Reads the sockets from the kernel with sock_diag(7): Linux 4.9 and later, without
    /// privileges.
    ///
    /// # Errors
    /// [`Error::Filter`] for a name that does not exist, [`Error::Namespace`], [`Error::Kernel`],
    /// [`Error::Processes`].
    pub fn take(options: &SnapshotOptions) -> Result<Self, Error> {
        let ports = PortNames::load();
        let filter = options.filter.resolve(&ports, None, &options.namespaces)?;
        let level = options.level.max(filter.filter.level());
        let owners = if level >= Level::Service {
            OwnerResolver::kernel(Scope::First)?
        } else {
            OwnerResolver::none()
        };
        let (host, at) = (Host::this(), Clocks::now());
        let shared = Shared {
            registry: options.rules.registry(ports),
            owners,
            ecn: host.ecn_word(),
            recorder: None,
        };
        let mut set = NamespaceSet::new(shared, opening());
        let collector =
            |monitor: &NamespaceMonitor| RowCollector::new(&monitor.namespace, &filter, level);
        set.find(&options.namespaces, |_, _| Ok(()), collector)?;
        set.poll(0, &request(&filter, level, Instant::now(), false))?;
        if filter.needs_program && set.members.iter().any(|it| it.monitor.refuses_programs()) {
            return Err(MonitorError::Program("`autobound`").into());
        }
        let mut quality = Quality::default();
        let collectors = set.members.iter_mut().map(|member| &mut member.consumer);
        let rows = take_rows(collectors, &mut quality);
        if level == Level::Processes {
            set.shared.owners.report(&mut quality);
        }
        quality.permission_limited.extend(set.unreachable());
        if !capabilities::has_net_admin() {
            quality
                .permission_limited
                .push(capabilities::hidden_attributes(capabilities::missing_net_admin()));
        }
        let Host { hostname, kernel, .. } = host;
        Ok(Self { captured_at: wall_time(at), hostname, kernel, rows, quality })
    }
}

/// Sockets only.
pub(super) fn opening() -> Opening {
    Opening { files: CounterFiles::None, events: None, gate: CounterGate::new(None) }
}

/// A poll for rows.
pub(super) fn request(
    filter: &ResolvedFilter,
    level: Level,
    at: Instant,
    ends_interval: bool,
) -> PollRequest<'_> {
    let plan = &filter.plan;
    PollRequest {
        at,
        ends_interval,
        reads_counters: false,
        counters_are_read: false,
        names_services: level >= Level::Service,
        keeps_owners: true,
        query: Query {
            families: plan.families,
            states: plan.states,
            extensions: Extensions::ALL,
            local_port: plan.local_port,
            remote_port: plan.remote_port,
            program: &plan.program,
        },
        most_descriptors: Some(PollRequest::FEW_DESCRIPTORS),
        dump_tries: TRIES,
    }
}
