//! A run of `closed`, live or on a recording.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::closed_rows::{ClosedContext, ClosedRows, ClosedSink};
use crate::filter::Expr;
use crate::identity::ServiceRegistry;
use crate::monitor::{
    CounterFiles, CounterGate, MonitorError, NamespaceMonitor, NamespaceSet, Opening,
    OwnerResolver, Pace, PollRequest, Quality, Shared, SocketFilter, next_tick, wants_all,
};
use crate::procfs::{Host, Scope};
use crate::recording::Session;
use crate::socket_diag::{EventOptions, Query};
use crate::sys::{Clocks, Interrupt};
use crate::wire::Extensions;

/// What is watched.
#[derive(Debug)]
pub struct ClosedOptions {
    /// Which connections have rows.
    pub connections: Expr,
    /// Live namespaces, as they were named.
    pub netns: Vec<String>,
    /// The time between polls. Not for recordings.
    pub interval: Duration,
    /// The time of the run.
    pub duration: Option<Duration>,
    /// How many holders of each socket are looked up.
    pub owners: Scope,
    /// Whether destroy events are received.
    pub has_events: bool,
}

/// A recording that is read as if the kernel were watched.
#[derive(Debug)]
struct Replay {
    session: Session,
    pace: Pace,
    /// When its first sample was taken, by its own clock.
    began_ns: u64,
}

/// Polls namespaces, and passes the connections that ended to a sink.
#[derive(Debug)]
pub struct ClosedRun<S> {
    set: NamespaceSet<ClosedRows<S>>,
    context: Rc<ClosedContext>,
    sink: Rc<RefCell<S>>,
    netns: Vec<String>,
    interval: Duration,
    duration: Option<Duration>,
    /// The recording; `None` for the kernel.
    replay: Option<Replay>,
    started: Instant,
    next: Instant,
    polled: Instant,
    /// Polls so far.
    pub polls: u64,
}

impl<S: ClosedSink> ClosedRun<S> {
    /// Opens namespaces of the kernel and polls them once: connections that end from now on have
    /// rows.
    ///
    /// # Errors
    /// When a namespace cannot be entered or polled.
    pub fn live(
        options: ClosedOptions,
        registry: ServiceRegistry,
        sink: Rc<RefCell<S>>,
    ) -> Result<Self, MonitorError> {
        let owners = OwnerResolver::kernel(options.owners)?;
        let ecn = Host::this().ecn_word();
        let shared = Shared { registry, owners, ecn, recorder: None };
        let mut run = Self::new(options, shared, sink, None);
        run.find_namespaces()?;
        run.poll_live(0)?;
        run.started = Instant::now();
        (run.next, run.polled) = (run.started, run.started);
        Ok(run)
    }

    /// Polls the current sample of a recording.
    ///
    /// # Errors
    /// When it cannot be polled.
    pub fn replay(
        options: ClosedOptions,
        registry: ServiceRegistry,
        sink: Rc<RefCell<S>>,
        session: Session,
        mut pace: Pace,
    ) -> Result<Self, MonitorError> {
        let owners = OwnerResolver::recording();
        let ecn = session.host().ecn_word();
        let shared = Shared { registry, owners, ecn, recorder: None };
        let began_ns = session.sample().clocks.monotonic_ns;
        pace.start(began_ns);
        let replay = Some(Replay { session, pace, began_ns });
        let mut run = Self::new(options, shared, sink, replay);
        run.poll_sample()?;
        Ok(run)
    }

    fn new(
        options: ClosedOptions,
        shared: Shared,
        sink: Rc<RefCell<S>>,
        replay: Option<Replay>,
    ) -> Self {
        let opening = Opening {
            files: CounterFiles::None,
            events: options.has_events.then(EventOptions::default),
            gate: CounterGate::new(None),
        };
        let many = options.netns.len() > 1 || wants_all(&options.netns);
        let context = ClosedContext {
            filter: SocketFilter::new(options.connections),
            many_namespaces: Cell::new(many),
            realtime_ns: Cell::new(0),
        };
        Self {
            set: NamespaceSet::new(shared, opening),
            context: Rc::new(context),
            sink,
            netns: options.netns,
            interval: options.interval,
            duration: options.duration,
            replay,
            started: Instant::now(),
            next: Instant::now(),
            polled: Instant::now(),
            polls: 0,
        }
    }

    /// Waits for the next poll, or takes the next sample. False when that is over; then it has
    /// polled a last time.
    ///
    /// # Errors
    /// When a namespace or a sample cannot be polled.
    pub fn advance(&mut self, interrupt: &Interrupt) -> Result<bool, MonitorError> {
        if let Some(Replay { session, pace, began_ns }) = &mut self.replay {
            if !session.advance() {
                return Ok(false);
            }
            let monotonic_ns = session.sample().clocks.monotonic_ns;
            let passed = Duration::from_nanos(monotonic_ns.saturating_sub(*began_ns));
            let is_asked = pace.wait(monotonic_ns, interrupt);
            let is_last = is_asked || self.duration.is_some_and(|most| passed >= most);
            self.poll_sample()?;
            return Ok(!is_last);
        }
        let known = if wants_all(&self.netns) { self.find_namespaces()? } else { usize::MAX };
        if known < self.set.members.len() {
            self.poll_live(known)?;
        }
        self.next = next_tick(self.next, self.interval, self.polled, Instant::now());
        let last = self.duration.map(|duration| self.started + duration);
        let end = last.map_or(self.next, |last| last.min(self.next));
        let is_asked = interrupt.sleep_until(end);
        self.polled = Instant::now();
        self.poll_live(0)?;
        Ok(!is_asked && last.is_none_or(|last| Instant::now() < last))
    }

    /// Opens the namespaces that are not open yet; returns how many there were before.
    fn find_namespaces(&mut self) -> Result<usize, MonitorError> {
        let rows = self.make_rows();
        let known = self.set.find(&self.netns, |_, _| Ok(()), rows)?;
        if self.set.has_many() {
            self.context.many_namespaces.set(true);
        }
        Ok(known)
    }

    /// Polls all live namespaces but the first `known`.
    fn poll_live(&mut self, known: usize) -> Result<(), MonitorError> {
        self.polls += 1;
        self.context.realtime_ns.set(Clocks::now().realtime_ns);
        self.set.poll(known, &request(Instant::now()))
    }

    fn poll_sample(&mut self) -> Result<(), MonitorError> {
        let rows = self.make_rows();
        let Some(Replay { session, began_ns, .. }) = &mut self.replay else { return Ok(()) };
        self.polls += 1;
        let choice = session.choice().clone();
        let sample = session.sample_mut();
        if sample.namespaces.iter().filter(|namespace| choice.includes(namespace)).count() > 1 {
            self.context.many_namespaces.set(true);
        }
        let mut quality = Quality {
            processes_hidden: sample.processes_hidden,
            permission_limited: std::mem::take(&mut sample.permission_limited),
            recorded_filter: sample.filter.clone(),
            ..Quality::default()
        };
        quality.take_clock_steps(sample);
        self.sink.borrow_mut().poll_ended(&quality);
        self.context.realtime_ns.set(sample.clocks.realtime_ns);
        let passed = Duration::from_nanos(sample.clocks.monotonic_ns.saturating_sub(*began_ns));
        let at = self.started.checked_add(passed).unwrap_or(self.started);
        self.set.poll_sample(sample, &choice, &request(at), rows, |_, _| Ok(()))
    }

    /// The recording, if it is one.
    pub fn session(&self) -> Option<&Session> {
        self.replay.as_ref().map(|replay| &replay.session)
    }

    /// Why namespaces have no destroy events although they were asked for; each is named once.
    pub fn take_missing_events(&mut self) -> Vec<String> {
        self.set.members.iter_mut().filter_map(|member| member.monitor.no_events.take()).collect()
    }

    /// Whether destroy events are received of every namespace.
    pub fn has_events(&self) -> bool {
        self.set.members.iter().all(|member| member.monitor.has_events())
    }

    /// Adds what limits the whole run.
    pub fn report_limits(&mut self, quality: &mut Quality) {
        self.set.shared.owners.report(quality);
        quality.permission_limited.extend(self.set.unreachable());
    }

    fn make_rows(&self) -> impl Fn(&NamespaceMonitor) -> ClosedRows<S> + use<S> {
        let (context, sink) = (Rc::clone(&self.context), Rc::clone(&self.sink));
        move |monitor| {
            let namespace = monitor.namespace.clone();
            ClosedRows::new(Rc::clone(&context), Rc::clone(&sink), namespace)
        }
    }
}

/// A poll at this time. Which connections are wanted shows when they end.
fn request(at: Instant) -> PollRequest<'static> {
    let all = PollRequest::of_connections(at, true);
    let extensions = Extensions::INFO.with(Extensions::SKMEMINFO).with(Extensions::CONG);
    let query = Query { extensions, ..all.query };
    PollRequest { reads_counters: false, query, ..all }
}
