//! A run of `services`, live or on a recording: polls by the schedule, and intervals as results.

use std::mem;
use std::time::{Duration, Instant};

use super::{IntervalSum, NamespaceAttribution, Polls, ServiceWatchOptions, SocketSelection};
use crate::counters::CounterWidth;
use crate::filter::Expr;
use crate::identity::{ServiceId, ServiceRegistry};
use crate::monitor::{
    CounterFiles, CounterGate, CpuBudget, IntervalSchedule, Looks, MonitorError, Namespace,
    NamespaceMonitor, NamespaceSet, Opening, OwnerResolver, Pace, PollRequest, Quality, Recorder,
    Shared, SocketFilter, next_tick, wants_all,
};
use crate::procfs::{Host, NetNamespace, Scope};
use crate::recording::Session;
use crate::sys::{Clocks, Interrupt, Usage, UsageSince};

/// The result of an interval, or of the whole run.
#[derive(Debug)]
pub struct ServiceInterval {
    /// For each namespace, then for all together if there are several. The whole run has only the
    /// last of these.
    pub sums: Vec<(Option<Namespace>, IntervalSum)>,
    /// What to know before trusting any of it.
    pub quality: Quality,
    /// Whether it is the whole run.
    pub is_whole_run: bool,
    /// Whether there are or may be several namespaces.
    pub many: bool,
    /// The time between the polls at both ends.
    pub length: Duration,
    /// When the last of them began, in nanoseconds since 1970.
    pub captured_at: u64,
    /// How often namespaces were polled.
    pub polls: Polls,
    /// What this program used.
    pub used: UsageSince,
}

/// A recording that is read as if the kernel were watched.
#[derive(Debug)]
struct Replay {
    session: Session,
    pace: Pace,
    schedule: IntervalSchedule,
}

/// A run that attributes what the counters grew by, interval by interval.
#[derive(Debug)]
pub struct ServiceWatch {
    /// The host that the polls are of.
    pub host: Host,
    /// Intervals so far.
    pub intervals: u64,
    options: ServiceWatchOptions,
    set: NamespaceSet<NamespaceAttribution>,
    /// Which sockets are attributed to their own services, and the service of all others.
    selected: Option<(SocketFilter, ServiceId)>,
    width: CounterWidth,
    /// The recording; `None` for the kernel.
    replay: Option<Replay>,
    budget: CpuBudget,
    looks: Looks,
    /// When watching began.
    started: Instant,
    /// When the current interval ends.
    next: Instant,
    /// When the polls that ended the interval before began.
    polled: Instant,
    /// Polls of the current interval.
    polls: Polls,
    /// The initial value of `polls`.
    no_polls: Polls,
    usage: Usage,
    /// The sum of the whole run.
    whole: IntervalSum,
    all_polls: Polls,
    all_usage: Usage,
    /// The polls at which the run and the current interval began.
    began: Clocks,
    since: Clocks,
    /// One point in time by both of its clocks.
    epoch: (Instant, Clocks),
    /// Whether the user asked to end.
    is_interrupted: bool,
}

impl ServiceWatch {
    /// Opens namespaces of the kernel, and sets the baseline.
    ///
    /// # Errors
    /// When a namespace cannot be entered or polled, or the recording cannot be begun.
    pub fn live(
        options: ServiceWatchOptions,
        registry: ServiceRegistry,
    ) -> Result<Self, MonitorError> {
        let cpu_budget = options.early.cpu_budget;
        let polls = Polls {
            skipped: Some(0),
            looks: Some(0),
            looks_skipped: Some(0),
            cpu_budget: Some(cpu_budget),
            ..Polls::default()
        };
        let host = Host::this();
        let owners = OwnerResolver::kernel(Scope::First)?;
        let shared = Shared { registry, owners, ecn: host.ecn_word(), recorder: None };
        let width = CounterWidth::of_this_host();
        let mut watch = Self::new(options, host, shared, width, None, polls, Clocks::now());
        watch.find_namespaces()?;
        let at = watch.first_polls(0)?;
        watch.begin(at);
        Ok(watch)
    }

    /// Sets the baseline from the current sample of a recording.
    ///
    /// # Errors
    /// When it cannot be polled.
    pub fn replay(
        options: ServiceWatchOptions,
        registry: ServiceRegistry,
        session: Session,
        mut pace: Pace,
    ) -> Result<Self, MonitorError> {
        let (host, first) = (session.host(), session.sample());
        let at = first.clocks;
        let width = CounterWidth::of_machine(&first.host.machine);
        let schedule = IntervalSchedule::new(options.interval, options.duration, first);
        pace.start(at.monotonic_ns);
        let owners = OwnerResolver::recording();
        let shared = Shared { registry, owners, ecn: host.ecn_word(), recorder: None };
        let replay = Some(Replay { session, pace, schedule });
        let mut watch = Self::new(options, host, shared, width, replay, Polls::default(), at);
        watch.poll_sample(false)?;
        watch.begin(at);
        Ok(watch)
    }

    fn new(
        mut options: ServiceWatchOptions,
        host: Host,
        mut shared: Shared,
        width: CounterWidth,
        replay: Option<Replay>,
        polls: Polls,
        now: Clocks,
    ) -> Self {
        let sockets = std::mem::replace(&mut options.sockets, Expr::True);
        let selected = (sockets != Expr::True).then(|| {
            let others = shared.registry.add_named(SocketSelection::OTHERS);
            (SocketFilter::new(sockets), others)
        });
        let opening = Opening {
            files: CounterFiles::Catalogue,
            events: options.events.take(),
            gate: CounterGate::new(options.selection.take()),
        };
        Self {
            host,
            intervals: 0,
            set: NamespaceSet::new(shared, opening),
            selected,
            width,
            replay,
            budget: CpuBudget::new(options.early.cpu_budget),
            looks: Looks::new(options.early.cpu_budget),
            options,
            started: Instant::now(),
            next: Instant::now(),
            polled: Instant::now(),
            polls,
            no_polls: polls,
            usage: Usage::now(),
            whole: IntervalSum::default(),
            all_polls: polls,
            all_usage: Usage::now(),
            began: now,
            since: now,
            epoch: (Instant::now(), now),
            is_interrupted: false,
        }
    }

    /// Starts at the time of the baseline, whose cost is not the cost of watching.
    fn begin(&mut self, at: Clocks) {
        (self.began, self.since) = (at, at);
        self.budget = CpuBudget::new(self.options.early.cpu_budget);
        self.looks = Looks::new(self.options.early.cpu_budget);
        self.started = Instant::now();
        (self.next, self.polled) = (self.started, self.started);
        (self.usage, self.all_usage) = (Usage::now(), Usage::now());
    }

    /// The services, for their names.
    pub fn registry(&self) -> &ServiceRegistry {
        &self.set.shared.registry
    }

    /// The recording, if it is one.
    pub fn session(&self) -> Option<&Session> {
        self.replay.as_ref().map(|replay| &replay.session)
    }

    /// Why namespaces have no destroy events although they were asked for; each is named once.
    pub fn take_missing_events(&mut self) -> Vec<String> {
        self.set.members.iter_mut().filter_map(|member| member.monitor.no_events.take()).collect()
    }

    /// Polls until an interval has ended; `None` when there are no further ones. An interrupt ends
    /// the interval early: what was seen until then is a result too.
    ///
    /// # Errors
    /// When a namespace cannot be polled, or the recording not be written.
    pub fn next_interval(
        &mut self,
        interrupt: &Interrupt,
    ) -> Result<Option<ServiceInterval>, MonitorError> {
        let is_over = self.options.count.is_some_and(|count| self.intervals >= count)
            || self.replay.is_none() && self.intervals > 0 && self.is_time_over();
        if is_over || self.is_interrupted {
            return Ok(None);
        }
        let ended = match self.replay {
            None => self.next_live(interrupt)?,
            Some(_) => self.next_recorded(interrupt)?,
        };
        Ok(ended.map(|(at, hidden)| self.close_interval(at, &hidden)))
    }

    /// Whether the time of the run is over, however many intervals it had.
    fn is_time_over(&self) -> bool {
        self.options.duration.is_some_and(|duration| self.started.elapsed() >= duration)
    }

    /// Waits for the end of the interval, then polls; returns what could not be seen.
    fn next_live(
        &mut self,
        interrupt: &Interrupt,
    ) -> Result<Option<(Clocks, Quality)>, MonitorError> {
        if self.intervals == 0 && interrupt.is_asked() {
            self.is_interrupted = true;
            return Ok(None);
        }
        if self.intervals > 0 && wants_all(&self.options.netns) {
            let before = self.find_namespaces()?;
            if before < self.set.members.len() {
                self.first_polls(before)?;
            }
        }
        let interval = self.options.interval.unwrap_or_default();
        self.next = next_tick(self.next, interval, self.polled, Instant::now());
        let last = self.options.duration.map(|duration| self.started + duration);
        let end = last.map_or(self.next, |last| last.min(self.next));
        self.watch_counters(interrupt, end)?;
        self.is_interrupted = interrupt.is_asked();
        self.polled = Instant::now();
        let at = self.begin_sample(false);
        let request = self.request(at, true);
        self.set.poll(0, &request)?;
        self.polls.regular += self.set.members.len() as u64;
        Ok(Some((at, self.end_sample()?)))
    }

    /// Takes samples up to one that ends an interval.
    fn next_recorded(
        &mut self,
        interrupt: &Interrupt,
    ) -> Result<Option<(Clocks, Quality)>, MonitorError> {
        while let Some(Replay { session, pace, schedule }) = &mut self.replay {
            if self.is_interrupted || schedule.is_over() || !session.advance() {
                break;
            }
            self.is_interrupted = pace.wait(session.sample().clocks.monotonic_ns, interrupt);
            let is_last = session.is_last() || self.is_interrupted;
            if schedule.ends_with(session.sample(), is_last) {
                return self.poll_sample(true);
            }
            self.poll_sample(false)?;
        }
        Ok(None)
    }

    /// Polls the namespaces of the current sample of a recording; returns when, and what could not
    /// be seen.
    fn poll_sample(
        &mut self,
        ends_interval: bool,
    ) -> Result<Option<(Clocks, Quality)>, MonitorError> {
        let Some(Replay { session, .. }) = &mut self.replay else { return Ok(None) };
        let choice = session.choice().clone();
        let sample = session.sample_mut();
        let request = request(self.epoch, sample.clocks, ends_interval);
        let (width, polls) = (self.width, &mut self.polls);
        let selected = &self.selected;
        self.set.poll_sample(
            sample,
            &choice,
            &request,
            |monitor| attribution(width, selected, monitor),
            |member, is_new| {
                if is_new {
                    member.consumer.set_baseline();
                } else if ends_interval {
                    polls.regular += 1;
                } else {
                    polls.early += 1;
                }
                Ok(())
            },
        )?;
        let mut hidden = Quality {
            processes_hidden: sample.processes_hidden,
            permission_limited: mem::take(&mut sample.permission_limited),
            recorded_filter: sample.filter.clone(),
            ..Quality::default()
        };
        if ends_interval {
            hidden.take_clock_steps(sample);
        }
        Ok(Some((sample.clocks, hidden)))
    }

    fn request(&self, at: Clocks, ends_interval: bool) -> PollRequest<'static> {
        request(self.epoch, at, ends_interval)
    }

    /// Opens the namespaces that are not open yet and closes those that are gone; returns how many
    /// there were before the new ones.
    fn find_namespaces(&mut self) -> Result<usize, MonitorError> {
        let (options, width, selected) = (&self.options, self.width, &self.selected);
        let prepare = |shared: &mut Shared, namespace: &NetNamespace| {
            if let (Some(path), None) = (&options.record, &shared.recorder) {
                let interval = options.interval.unwrap_or_default();
                shared.recorder = Some(Recorder::create(path, interval, namespace)?);
            }
            Ok(())
        };
        self.set.find(&options.netns, prepare, |monitor| attribution(width, selected, monitor))
    }

    /// Polls all namespaces but the first `known` for the first time; returns when.
    fn first_polls(&mut self, known: usize) -> Result<Clocks, MonitorError> {
        let at = self.begin_sample(true);
        let request = self.request(at, false);
        self.set.poll(known, &request)?;
        for member in self.set.members.iter_mut().skip(known) {
            member.consumer.set_baseline();
        }
        self.end_sample()?;
        Ok(at)
    }

    /// Begins polls that belong together.
    fn begin_sample(&mut self, early: bool) -> Clocks {
        let at = Clocks::now();
        if let Some(recorder) = &mut self.set.shared.recorder {
            recorder.begin_sample(at, early);
        }
        at
    }

    /// Ends them; returns what could not be seen.
    fn end_sample(&mut self) -> Result<Quality, MonitorError> {
        let mut hidden = Quality::default();
        self.set.shared.owners.report(&mut hidden);
        hidden.permission_limited.extend(self.set.unreachable());
        if let Some(recorder) = &mut self.set.shared.recorder {
            recorder.end_sample(&hidden)?;
        }
        Ok(hidden)
    }

    /// Reads the counters until `end`, and polls sockets early when a watched counter has moved.
    fn watch_counters(&mut self, interrupt: &Interrupt, end: Instant) -> Result<(), MonitorError> {
        let mut next = Instant::now();
        while let Some(every) = self.options.early.every {
            next = next_tick(next, every, next, Instant::now());
            if next >= end {
                break;
            }
            if interrupt.sleep_until(next) {
                return Ok(());
            }
            self.budget.settle();
            self.looks.begin_round(self.set.members.len());
            while let Some(index) = self.looks.next(self.set.members.len()) {
                self.poll_early(index)?;
            }
            *self.polls.looks_skipped.get_or_insert_default() += self.looks.left_out();
        }
        interrupt.sleep_until(end);
        Ok(())
    }

    /// Reads the counters of a namespace, and polls its sockets if a watched one has moved.
    fn poll_early(&mut self, index: usize) -> Result<(), MonitorError> {
        *self.polls.looks.get_or_insert_default() += 1;
        let (set, looks) = (&mut self.set, &mut self.looks);
        let Some(cost) = looks.look(|| set.cost_if_moved(index))? else { return Ok(()) };
        // The poll that ends the interval needs as much again.
        if !self.budget.affords(cost * 2) {
            *self.polls.skipped.get_or_insert_default() += 1;
            return Ok(());
        }
        self.polls.early += 1;
        let at = self.begin_sample(true);
        let request = PollRequest { counters_are_read: true, ..self.request(at, false) };
        self.set.poll_one(index, &request)?;
        self.end_sample()?;
        self.budget.settle();
        Ok(())
    }

    /// Ends the interval with the polls of this time, and begins the next one.
    fn close_interval(&mut self, at: Clocks, hidden: &Quality) -> ServiceInterval {
        let many = self.has_many_namespaces();
        let mut total = IntervalSum::default();
        let mut sums = Vec::new();
        for member in &mut self.set.members {
            let mut sum = member.consumer.begin_interval();
            sum.quality.add(hidden.clone());
            total.add(&sum);
            sums.push((Some(member.monitor.namespace.clone()), sum));
        }
        let used = self.usage.elapsed();
        self.usage = Usage::now();
        self.whole.follow(&total);
        self.all_polls.add(&self.polls);
        self.intervals += 1;
        let quality = total.quality.clone();
        if many {
            sums.push((None, total));
        }
        ServiceInterval {
            sums,
            quality,
            is_whole_run: false,
            many,
            length: between(mem::replace(&mut self.since, at), at),
            captured_at: at.realtime_ns,
            polls: mem::replace(&mut self.polls, self.no_polls),
            used,
        }
    }

    /// Whether results are of more than one namespace.
    fn has_many_namespaces(&self) -> bool {
        self.set.has_many() || wants_all(&self.options.netns)
    }

    /// Ends the run and returns its result; `None` if it was interrupted before the first interval.
    ///
    /// # Errors
    /// When the recording cannot be written, or one that was read has only one sample.
    pub fn finish(&mut self) -> Result<Option<ServiceInterval>, MonitorError> {
        if let Some(recorder) = self.set.shared.recorder.take() {
            recorder.finish(if self.is_interrupted { "interrupted" } else { "count" })?;
        }
        if self.intervals == 0 {
            let is_replay = self.replay.is_some();
            return if is_replay { Err(MonitorError::OneSample("what grew")) } else { Ok(None) };
        }
        let many = self.has_many_namespaces();
        let namespace = match self.set.members.as_slice() {
            [member] if !many => Some(member.monitor.namespace.clone()),
            _ => None,
        };
        let whole = mem::take(&mut self.whole);
        Ok(Some(ServiceInterval {
            quality: whole.quality.clone(),
            sums: vec![(namespace, whole)],
            is_whole_run: true,
            many,
            length: between(self.began, self.since),
            captured_at: self.since.realtime_ns,
            polls: self.all_polls,
            used: self.all_usage.elapsed(),
        }))
    }
}

/// The attribution of a namespace.
fn attribution(
    width: CounterWidth,
    selected: &Option<(SocketFilter, ServiceId)>,
    monitor: &NamespaceMonitor,
) -> NamespaceAttribution {
    let selection = selected
        .clone()
        .map(|(filter, others)| SocketSelection::new(filter, monitor.namespace.clone(), others));
    NamespaceAttribution::new(width).selecting(selection)
}

/// A poll at this time. `epoch` is one point in time by both clocks.
fn request(epoch: (Instant, Clocks), at: Clocks, ends_interval: bool) -> PollRequest<'static> {
    let (here, there) = epoch;
    let at = here.checked_add(between(there, at)).unwrap_or(here);
    PollRequest::of_connections(at, ends_interval)
}

/// The time from one point to another.
fn between(one: Clocks, other: Clocks) -> Duration {
    Duration::from_nanos(other.monotonic_ns.saturating_sub(one.monotonic_ns))
}
