//! A run of a diagnosis, live or on a recording: polls and their result.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustc_hash::FxHashMap;

use super::{Conclusion, Example, FilteredDiagnosis, GroupKey, Question, Subject};
use crate::counters::{Ratio, Release, Threshold};
use crate::filter::{Expr, Plan, PlanOptions};
use crate::identity::{ServiceBasis, ServiceRegistry};
use crate::model::{Role, Socket, State, StateSet};
use crate::monitor::{
    CounterFiles, CounterGate, Level, Member, MonitorError, Namespace, NamespaceMonitor,
    NamespaceSet, Opening, OwnerResolver, Pace, PollRequest, Quality, Shared, Side, SocketFilter,
    next_tick, wants_all,
};
use crate::procfs::{Host, Scope};
use crate::recording::{Session, timestamp};
use crate::socket_diag::{EventOptions, Query};
use crate::sys::Interrupt;
use crate::wire::Extensions;

/// The shortest and the longest time between polls.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);

/// Polls of a watch, whatever its length.
const POLLS: u32 = 10;

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

/// What is diagnosed.
#[derive(Debug)]
pub struct DiagnosisOptions {
    /// Which rules apply, and their limits.
    pub question: Question,
    /// Which sockets.
    pub sockets: Expr,
    /// What the kernel may be asked to decide of that.
    pub plan: PlanOptions,
    /// Live namespaces, as they were named.
    pub netns: Vec<String>,
    /// How many holders of each socket are looked up.
    pub owners: Scope,
    /// Whether findings name the processes that hold sockets.
    pub with_processes: bool,
    /// Without destroy events.
    pub no_events: bool,
}

/// A run: first [`watch`](Self::watch) or [`replay`](Self::replay), then
/// [`conclude`](Self::conclude).
#[derive(Debug)]
pub struct DiagnosisRun {
    set: NamespaceSet<FilteredDiagnosis>,
    plan: Plan,
    filter: SocketFilter,
    question: Question,
    with_processes: bool,
    many: bool,
    /// The kernel of the host, if it has a usual name.
    kernel: Option<Release>,
    /// The quality of the whole run, besides the consumers' own.
    quality: Quality,
    elapsed: Duration,
    captured_at: Timestamp,
}

/// The result of a run.
#[derive(Debug)]
pub struct Diagnosed {
    /// What was found in each namespace.
    pub namespaces: Vec<DiagnosedNamespace>,
    /// Whether there are or may be several.
    pub many: bool,
    /// Whether a filter selects sockets; findings about the host are not about those alone.
    pub is_filtered: bool,
    /// What to know before trusting it.
    pub quality: Quality,
    /// Records that the kernel sent.
    pub dumped: u64,
    /// The time between the first and the last poll.
    pub elapsed: Duration,
    /// When it ended.
    pub captured_at: Timestamp,
}

/// What was found in a namespace.
#[derive(Debug)]
pub struct DiagnosedNamespace {
    /// Which.
    pub namespace: Namespace,
    /// The findings.
    pub conclusion: Conclusion,
    /// Names of the sockets that findings are about.
    pub names: SocketNames,
}

/// The names around sockets, by cookie.
#[derive(Debug, Default)]
pub struct SocketNames(FxHashMap<u64, SocketName>);

#[derive(Debug)]
struct SocketName {
    /// The service's name with its port, and what it rests on.
    service: String,
    basis: ServiceBasis,
    /// The ids and names of its holders.
    holders: Vec<(u32, String)>,
    /// The interface that it is bound to.
    interface: Option<String>,
}

impl SocketNames {
    /// The name of a socket's service with its port; empty where it is not known.
    pub fn service(&self, cookie: u64) -> &str {
        self.0.get(&cookie).map_or("", |name| &name.service)
    }

    /// What that name rests on, where it is known.
    pub fn basis(&self, cookie: u64) -> Option<ServiceBasis> {
        self.0.get(&cookie).map(|name| name.basis)
    }

    /// Names connections after open ones of the same service, where only those have a known holder.
    fn name_after_holders(&mut self, conclusion: &Conclusion) {
        for example in examples(conclusion) {
            let key = GroupKey::of(&example);
            let holder = conclusion.holders.iter().find(|(other, _)| *other == key);
            let known = holder.and_then(|(_, holder)| self.0.get(&holder.cookie));
            let Some(known) = known.filter(|known| !known.basis.is_guess()) else { continue };
            let (service, basis) = (known.service.clone(), known.basis);
            if let Some(name) = self.0.get_mut(&example.cookie).filter(|it| it.basis.is_guess()) {
                (name.service, name.basis) = (service, basis);
            }
        }
    }

    /// The ids and names of its holders; none where they were not asked for.
    pub fn processes(&self, cookie: u64) -> &[(u32, String)] {
        self.0.get(&cookie).map_or(&[], |name| &name.holders)
    }

    /// The name of the interface that it is bound to, where that is known.
    pub fn interface(&self, cookie: u64) -> Option<&str> {
        self.0.get(&cookie)?.interface.as_deref()
    }
}

impl DiagnosisRun {
    fn new(options: DiagnosisOptions, shared: Shared) -> Self {
        let opening = Opening {
            files: CounterFiles::All,
            events: (!options.no_events).then(EventOptions::default),
            gate: CounterGate::new(None),
        };
        let mut plan = options.sockets.plan(STATES, options.plan);
        plan.states = plan.states.intersection(STATES);
        Self {
            set: NamespaceSet::new(shared, opening),
            plan,
            filter: SocketFilter::new(options.sockets),
            question: options.question,
            with_processes: options.with_processes,
            many: wants_all(&options.netns),
            kernel: None,
            quality: Quality::default(),
            elapsed: Duration::ZERO,
            captured_at: Timestamp::UNIX_EPOCH,
        }
    }

    /// Polls live namespaces for this long, or until the user asks to end. `progress` is called
    /// with the number of sockets and the time left. `None` if the user asked to end before the
    /// second poll.
    ///
    /// # Errors
    /// When a namespace cannot be entered or polled.
    pub fn watch(
        options: DiagnosisOptions,
        registry: ServiceRegistry,
        duration: Duration,
        interrupt: &Interrupt,
        progress: &mut dyn FnMut(u64, Duration),
    ) -> Result<Option<Self>, MonitorError> {
        let owners = OwnerResolver::kernel(options.owners)?;
        let host = Host::this();
        let shared = Shared { registry, owners, ecn: host.ecn_word(), recorder: None };
        let specs = options.netns.clone();
        let mut run = Self::new(options, shared);
        run.kernel = host.kernel.parse().ok();
        let consumer = consumer(&run.question, &run.filter);
        run.set.find(&specs, |_, _| Ok(()), consumer)?;
        let every = (duration / POLLS).clamp(SHORTEST, LONGEST).min(duration);
        let start = Instant::now();
        let end = start + duration;
        run.read_host(Side::Before)?;
        // The holders of listeners that close meanwhile are known from now on.
        let first = PollRequest { names_services: true, ..request(&run.plan, &run.filter, start) };
        run.set.poll(0, &first)?;
        let (mut next, mut last) = (start, start);
        loop {
            next = next_tick(next, every, last, Instant::now());
            // The last poll is at the end, and not just before it.
            if next + every / 2 > end {
                next = end;
            }
            let sockets = run.set.members.iter().map(|it| it.consumer.diagnosis.len() as u64);
            progress(sockets.sum(), end.saturating_duration_since(Instant::now()));
            let asked = interrupt.sleep_until(next);
            let at = Instant::now();
            last = at;
            if asked && at - start < SHORTEST {
                return Ok(None);
            }
            run.set.poll(0, &request(&run.plan, &run.filter, at))?;
            if asked || at >= end {
                run.read_host(Side::After)?;
                run.elapsed = at - start;
                break;
            }
        }
        let limited = &mut run.quality.permission_limited;
        limited.extend(run.set.unreachable());
        for member in &mut run.set.members {
            let missing = member.monitor.no_events.take();
            limited.extend(missing.map(|reason| format!("destroy events: {reason}")));
        }
        run.captured_at = Timestamp::now();
        Ok(Some(run))
    }

    /// Polls the samples of a recording, for this long at most, or until the user asks to end.
    ///
    /// # Errors
    /// When a sample cannot be polled, or there is only one.
    pub fn replay(
        options: DiagnosisOptions,
        registry: ServiceRegistry,
        duration: Option<Duration>,
        interrupt: &Interrupt,
        session: &mut Session,
        mut pace: Pace,
    ) -> Result<Self, MonitorError> {
        let owners = OwnerResolver::recording();
        let host = session.host();
        let ecn = host.ecn_word();
        let mut run = Self::new(options, Shared { registry, owners, ecn, recorder: None });
        run.kernel = host.kernel.parse().ok();
        // Stands for the time at which the first sample began.
        let epoch = Instant::now();
        let began = session.sample().clocks.monotonic_ns;
        pace.start(began);
        let mut samples = 0;
        loop {
            let passed = session.sample().clocks.monotonic_ns.saturating_sub(began);
            run.elapsed = Duration::from_nanos(passed);
            // If a clock is damaged, no time passes.
            run.poll_sample(session, epoch.checked_add(run.elapsed).unwrap_or(epoch))?;
            samples += 1;
            let over = duration.is_some_and(|most| run.elapsed >= most);
            if over
                || !session.advance()
                || pace.wait(session.sample().clocks.monotonic_ns, interrupt)
            {
                break;
            }
        }
        if samples < 2 {
            return Err(MonitorError::OneSample("what happened"));
        }
        // Names come from the owners in the last sample.
        run.set.shared.owners.exchange(session.sample_mut());
        Ok(run)
    }

    fn poll_sample(&mut self, session: &mut Session, at: Instant) -> Result<(), MonitorError> {
        let choice = session.choice().clone();
        let sample = session.sample_mut();
        self.captured_at = timestamp(sample.clocks.realtime_ns);
        self.quality.add(Quality {
            processes_hidden: sample.processes_hidden,
            permission_limited: std::mem::take(&mut sample.permission_limited),
            ..Quality::default()
        });
        self.quality.take_clock_steps(sample);
        self.set.poll_sample(
            sample,
            &choice,
            &request(&self.plan, &self.filter, at),
            consumer(&self.question, &self.filter),
            |member, is_new| {
                if is_new {
                    read_host(member, Side::Before)?;
                }
                read_host(member, Side::After)
            },
        )
    }

    /// Reads the host's side of all namespaces.
    fn read_host(&mut self, side: Side) -> Result<(), MonitorError> {
        self.set.for_each(0, |_, member| read_host(member, side))
    }

    /// Judges what was observed, and looks up names for it.
    ///
    /// # Errors
    /// When owners or settings cannot be read.
    pub fn conclude(
        self,
        threshold: impl Fn(&Ratio) -> Threshold,
    ) -> Result<Diagnosed, MonitorError> {
        let many = self.many || self.set.has_many();
        let NamespaceSet { mut shared, members, .. } = self.set;
        let mut diagnosed = Diagnosed {
            many,
            is_filtered: !self.filter.passes_all(),
            namespaces: Vec::new(),
            quality: self.quality,
            dumped: 0,
            elapsed: self.elapsed,
            captured_at: self.captured_at,
        };
        for Member { mut monitor, consumer } in members {
            let settings = match monitor.settings() {
                Ok(settings) => settings,
                Err(error) if diagnosed.many && error.is_of_namespace() => {
                    diagnosed.quality.permission_limited.push(error.to_string());
                    continue;
                }
                Err(error) => return Err(error),
            };
            diagnosed.quality.add(consumer.quality);
            diagnosed.quality.add_settings(&settings, self.kernel);
            diagnosed.dumped += consumer.dumped;
            let conclusion = consumer.diagnosis.conclude(settings, &threshold);
            let mut names = SocketNames::default();
            let sockets = sockets(&conclusion);
            if !sockets.is_empty() {
                monitor.name_sockets(&mut shared, &sockets, &mut |socket, identity| {
                    let key = identity.identified.and_then(|it| identity.registry.key(it.service));
                    let service = key.map_or_else(String::new, |key| key.full_name().into_owned());
                    let holders = identity.owner.holders().iter().filter(|_| self.with_processes);
                    let holders = holders.map(|holder| (holder.pid, holder.comm.to_owned()));
                    let name = SocketName {
                        service,
                        basis: key.map_or(ServiceBasis::Port, |key| key.basis),
                        holders: holders.collect(),
                        interface: None,
                    };
                    names.0.insert(socket.cookie, name);
                })?;
                for (socket, _) in &sockets {
                    let interface = monitor.interface(socket.interface);
                    if let Some(name) = names.0.get_mut(&socket.cookie) {
                        name.interface = interface.and_then(|it| it.name).map(str::to_owned);
                    }
                }
                names.name_after_holders(&conclusion);
                shared.owners.report(&mut diagnosed.quality);
            }
            let namespace = monitor.namespace;
            diagnosed.namespaces.push(DiagnosedNamespace { namespace, conclusion, names });
        }
        Ok(diagnosed)
    }
}

/// A poll at this time.
fn request<'q>(plan: &'q Plan, filter: &SocketFilter, at: Instant) -> PollRequest<'q> {
    PollRequest {
        at,
        ends_interval: false,
        reads_counters: false,
        counters_are_read: false,
        names_services: filter.level() >= Level::Service,
        keeps_owners: false,
        query: Query {
            families: plan.families,
            states: plan.states,
            extensions: Extensions::INFO.with(Extensions::SKMEMINFO).with(Extensions::CONG),
            local_port: plan.local_port,
            remote_port: plan.remote_port,
            program: &plan.program,
        },
        most_descriptors: None,
        dump_tries: 1,
    }
}

/// Makes the consumers of namespaces.
fn consumer<'q>(
    question: &'q Question,
    filter: &'q SocketFilter,
) -> impl Fn(&NamespaceMonitor) -> FilteredDiagnosis + 'q {
    |monitor| FilteredDiagnosis::new(question.clone(), filter.clone(), monitor.namespace.clone())
}

fn read_host(member: &mut Member<FilteredDiagnosis>, side: Side) -> Result<(), MonitorError> {
    let reading = member.monitor.read_host(side)?;
    member.consumer.quality.add_counters(&reading.counters);
    member.consumer.quality.add_faults(&reading.faults);
    member.consumer.diagnosis.read_host(reading);
    Ok(())
}

/// The examples of all findings.
fn examples(conclusion: &Conclusion) -> impl Iterator<Item = Example> + '_ {
    conclusion.findings.iter().flat_map(|finding| match &finding.subject {
        Subject::Connections { worst, .. } => worst.iter().map(|(one, _)| *one).collect(),
        Subject::Listener(one) | Subject::Service(one) => vec![*one],
        Subject::Host => Vec::new(),
    })
}

/// The sockets that findings are about, and those that name them.
fn sockets(conclusion: &Conclusion) -> Vec<(Socket, Role)> {
    let holders = conclusion.holders.iter().map(|(_, holder)| *holder);
    let all = examples(conclusion).chain(holders);
    all.map(|example| (socket(&example), example.role)).collect()
}

/// As much of a socket as names need.
fn socket(example: &Example) -> Socket {
    Socket {
        cookie: example.cookie,
        state: example.state,
        local: example.local,
        remote: example.remote,
        interface: example.interface,
        uid: example.uid,
        inode: example.inode,
        cgroup_id: example.cgroup_id,
        ..Socket::BLANK
    }
}
