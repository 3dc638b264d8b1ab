//! A recording from its first sample to its last: one file, several, or a ring in memory.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::counter_gate::CounterGate;
use super::error::MonitorError;
use super::input::CounterFiles;
use super::namespace_monitor::{Opening, Shared};
use super::namespace_set::{Member, NamespaceSet};
use super::namespaces::wants_all;
use super::owners::OwnerResolver;
use super::pace::next_tick;
use super::quality::Quality;
use super::recorder::Recorder;
use super::recording_filter::RecordingFilter;
use super::shortage::Shortage;
use super::unreachable::described;
use crate::identity::{Grouping, Rules, ServiceRegistry};
use crate::procfs::{NetNamespace, PortNames, Scope};
use crate::recording::{
    ClockStep, CounterGrowth, CounterThreshold, CounterTrigger, DeleteFailure, EndReason, Output,
    Preamble, RecordedTotals, StepWatch, Store, StoreError, StoreOptions, WrittenRing,
};
use crate::socket_diag::EventOptions;
use crate::sys::{Clocks, Interrupt};
use crate::wire::EcnWord;

/// Bytes that the end of a recording may take.
const CLOSING: u64 = 512;

/// The shortest time between two searches for namespaces.
const SEARCH_EVERY: Duration = Duration::from_secs(5);

/// What is recorded, where it goes, and when it ends.
#[derive(Debug)]
pub struct RecordingOptions {
    /// The namespaces, as they were asked for.
    pub namespaces: Vec<String>,
    /// The sockets.
    pub filter: RecordingFilter,
    /// Where it goes.
    pub store: StoreOptions,
    /// The time between two samples.
    pub interval: Duration,
    /// The number of samples after which it ends.
    pub count: Option<u64>,
    /// The time after which it ends.
    pub duration: Option<Duration>,
    /// The bytes before which a single file ends.
    pub max_size: Option<u64>,
    /// The growth of a counter, in the first namespace, above which a ring is written.
    pub trigger: Option<CounterThreshold>,
    /// Whether a ring is written at the end too.
    pub write_on_exit: bool,
    /// Whether TCP-MD5 keys are recorded.
    pub with_keys: bool,
}

/// What happens during a recording.
#[derive(Debug)]
pub enum RecordingEvent<'a> {
    /// A sample was recorded.
    Sampled(&'a RecordingProgress),
    /// Namespaces that cannot be seen, or one that cannot be entered, and why.
    NotRecorded(&'a str),
    /// A namespace has no destroy events from now on, for this reason.
    NoEvents(&'a str),
    /// A file of counters could not be read whole, said once for each.
    NotRead(&'a str),
    /// A ring was written.
    RingWritten(&'a WrittenRing, &'a WriteReason),
    /// A ring could not be written. It is still in memory.
    RingNotWritten(MonitorError),
    /// An old file could not be deleted.
    NotDeleted(&'a DeleteFailure),
}

/// Why a ring is written.
#[derive(Debug)]
pub enum WriteReason {
    /// SIGUSR1 was received.
    Signal,
    /// A counter grew.
    Counter(CounterGrowth),
    /// The recording ends.
    End(EndReason),
}

/// How far a recording is.
#[derive(Debug, Clone, Copy, Default)]
pub struct RecordingProgress {
    /// Samples so far.
    pub samples: u64,
    /// Sockets of the last sample.
    pub sockets: u64,
    /// Bytes of all files.
    pub size: u64,
    /// The time since it began.
    pub elapsed: Duration,
    /// The time until it ends; `None` if only the user will end it.
    pub left: Option<Duration>,
    /// The time that memory holds, and its size in bytes, if there is no file.
    pub kept: Option<(Duration, u64)>,
}

/// The result of a recording.
#[derive(Debug)]
pub struct RecordingSummary {
    /// Why it ended.
    pub why: EndReason,
    /// What was recorded.
    pub totals: RecordedTotals,
    /// How long it took.
    pub elapsed: Duration,
    /// The last file; for a ring, the one to write to.
    pub path: PathBuf,
    /// Whether it was a ring.
    pub is_ring: bool,
    /// Files of a rotation, or how often a ring was written; 0 for a single file.
    pub files: u64,
    /// Bytes of all files.
    pub size: u64,
    /// What could not be read.
    pub quality: Quality,
}

/// Receives events.
type Report<'r> = &'r mut dyn FnMut(RecordingEvent<'_>);

/// A recording being made.
#[derive(Debug)]
pub struct RecordingRun {
    options: RecordingOptions,
    preamble: Preamble,
    store: Store,
    set: NamespaceSet<()>,
    trigger: Option<CounterTrigger>,
    searched: Instant,
    started: Instant,
    /// Totals of the files, or segments, before the current one.
    finished: RecordedTotals,
    part_begun: Instant,
    /// Files or segments that were begun.
    files: u64,
    watch: StepWatch,
    /// Where the wall clock was set since the current file was begun.
    clock_steps: Vec<ClockStep>,
    /// Sockets of the last sample.
    sockets: u64,
    /// The size of the last sample in bytes.
    growth: u64,
    /// What could not be read so far.
    quality: Quality,
    /// What was reported of that.
    reported: Vec<String>,
}

impl RecordingRun {
    /// Opens the namespaces that were asked for, and begins the file.
    ///
    /// # Errors
    /// When a namespace that was named cannot be opened, or none of `all`, or when the file cannot
    /// be written.
    pub fn open(options: RecordingOptions, report: Report<'_>) -> Result<Self, MonitorError> {
        // Everything that can fail without a file comes before creating one.
        let mut set = open_namespaces(&options.namespaces, options.with_keys)?;
        for reason in set.unreachable() {
            report(RecordingEvent::NotRecorded(&reason));
        }
        // They were just reported.
        set.take_refused();
        let trigger = match &options.trigger {
            Some(threshold) => Some(CounterTrigger::open(threshold, first(&set)?)?),
            None => None,
        };
        let preamble = Preamble::new(options.interval, options.filter.text.clone());
        let (store, output) = Store::open(options.store.clone(), &preamble)?;
        let now = Instant::now();
        let mut run = Self {
            options,
            preamble,
            store,
            set,
            trigger,
            searched: now,
            started: now,
            finished: RecordedTotals::default(),
            part_begun: now,
            files: 0,
            watch: StepWatch::default(),
            clock_steps: Vec::new(),
            sockets: 0,
            growth: 0,
            quality: Quality::default(),
            reported: Vec::new(),
        };
        run.begin_file(output)?;
        Ok(run)
    }

    /// Takes samples until there is a reason to end, and ends the recording, also after an error.
    ///
    /// # Errors
    /// When something cannot be read or written.
    pub fn record(
        mut self,
        interrupt: &Interrupt,
        report: Report<'_>,
    ) -> Result<RecordingSummary, MonitorError> {
        self.delete_expired(report);
        let result = self.take_samples(interrupt, report);
        self.finish(result, report)
    }

    fn take_samples(
        &mut self,
        interrupt: &Interrupt,
        report: Report<'_>,
    ) -> Result<EndReason, MonitorError> {
        let (mut tick, mut last) = (self.started, self.started);
        let end = self.options.duration.map(|duration| self.started + duration);
        loop {
            self.sample(report)?;
            report(RecordingEvent::Sampled(&self.progress()));
            if interrupt.is_asked() {
                return Ok(EndReason::Interrupted);
            }
            self.check_triggers(interrupt, report)?;
            if self.options.count == Some(self.totals().samples) {
                return Ok(EndReason::Count);
            }
            let then = self.written() + self.growth + CLOSING;
            if self.store.is_one_file() && self.options.max_size.is_some_and(|most| then > most) {
                return Ok(EndReason::Size);
            }
            let now = Instant::now();
            if end.is_some_and(|end| now >= end) {
                return Ok(EndReason::Duration);
            }
            let next = next_tick(tick, self.options.interval, last, now);
            let due = end.map_or(next, |end| next.min(end));
            if interrupt.sleep_until(due) {
                return Ok(EndReason::Interrupted);
            }
            let now = Instant::now();
            if now >= due {
                (tick, last) = (next, now);
            }
            // Otherwise SIGUSR1 asks for a sample, and the next one is still due.
            if self.store.is_due(self.part_begun.elapsed(), then) {
                self.begin_next_file(report)?;
            }
            self.update_namespaces(report);
        }
    }

    fn sample(&mut self, report: Report<'_>) -> Result<(), MonitorError> {
        let Some(recorder) = &mut self.set.shared.recorder else { return Ok(()) };
        let (written, sockets) = (recorder.written(), recorder.totals().sockets);
        let now = Clocks::now();
        self.clock_steps.extend(self.watch.next(now));
        recorder.begin_sample(now, false);
        let filter = &mut self.options.filter;
        filter.begin();
        let (unread, reported) = (&mut self.quality, &mut self.reported);
        self.set.for_each(0, |shared, Member { monitor, .. }| {
            let Some(recorder) = &mut shared.recorder else { return Ok(()) };
            let quality = monitor.record(recorder, filter)?;
            for line in quality.unread_files() {
                if !reported.contains(&line) {
                    report(RecordingEvent::NotRead(&line));
                    reported.push(line);
                }
            }
            unread.add(quality);
            if let Some(reason) = monitor.no_events.take() {
                report(RecordingEvent::NoEvents(&reason));
            }
            Ok(())
        })?;
        self.report_refused(report);
        let Shared { recorder: Some(recorder), owners, .. } = &mut self.set.shared else {
            return Ok(());
        };
        let unsearched = match recorder.write_holders(owners) {
            // Those of sockets that were there before are in the samples before.
            Err(error) if Shortage::of(&error).is_some() => Some(described(&error)),
            found => found.map(|()| None)?,
        };
        let mut permission_limited = self.set.unreachable();
        if let Some(reason) = unsearched {
            if !self.reported.contains(&reason) {
                report(RecordingEvent::NotRead(&reason));
                self.reported.push(reason.clone());
            }
            permission_limited.push(reason);
        }
        let limits = Quality { permission_limited, ..Quality::default() };
        let Some(recorder) = &mut self.set.shared.recorder else { return Ok(()) };
        recorder.end_sample(&limits)?;
        self.growth = recorder.written() - written;
        self.sockets = recorder.totals().sockets - sockets;
        Ok(())
    }

    /// Reports the namespaces that cannot be recorded, each once.
    fn report_refused(&mut self, report: Report<'_>) {
        for reason in self.set.take_refused() {
            report(RecordingEvent::NotRecorded(&reason));
        }
    }

    /// Writes the ring if a signal or a counter asks for it.
    fn check_triggers(
        &mut self,
        interrupt: &Interrupt,
        report: Report<'_>,
    ) -> Result<(), MonitorError> {
        let now = Instant::now();
        let fired = self.trigger.as_mut().map(|trigger| trigger.check(now)).transpose()?.flatten();
        let fired = fired.filter(|_| self.store.allows_trigger(now)).map(WriteReason::Counter);
        let asked = interrupt.take_nudge().then_some(WriteReason::Signal);
        let Some(reason) = asked.or(fired) else { return Ok(()) };
        // It is still in memory, so it may be written later.
        if let Err(error) = self.write_ring(&reason, report) {
            report(RecordingEvent::RingNotWritten(error));
        }
        Ok(())
    }

    /// Writes what a ring keeps.
    fn write_ring(&mut self, reason: &WriteReason, report: Report<'_>) -> Result<(), MonitorError> {
        self.begin_next_file(report)?;
        let first = first(&self.set)?;
        if let Some(written) = self.store.write_ring(&self.preamble, first)? {
            report(RecordingEvent::RingWritten(&written, reason));
        }
        Ok(())
    }

    /// Ends the file or segment that is written and begins the next.
    fn begin_next_file(&mut self, report: Report<'_>) -> Result<(), MonitorError> {
        if let Some(recorder) = &self.set.shared.recorder {
            recorder.end_file(EndReason::Rotated.name())?;
        }
        let output = self.store.begin_next()?;
        self.begin_file(output)?;
        self.delete_expired(report);
        Ok(())
    }

    /// Begins a file or segment, and completes the one before.
    fn begin_file(&mut self, output: Output) -> Result<(), MonitorError> {
        // The segments of a ring become one recording.
        let number = if self.store.is_ring() { self.totals().samples } else { 0 };
        let first = first(&self.set)?.clone();
        let path = self.store.path();
        let clock_steps = std::mem::take(&mut self.clock_steps);
        let compression = self.store.compression();
        let writer = self.preamble.begin(output, compression, &first, self.files, clock_steps);
        self.files += 1;
        let writer = writer.map_err(|error| StoreError::write(path, error))?;
        let NamespaceSet { shared, members, .. } = &mut self.set;
        let Some(recorder) = &mut shared.recorder else { return Ok(()) };
        let former = recorder.begin_file(writer, path, first.inode, number)?;
        for member in members {
            member.monitor.declare_again(recorder);
        }
        if let Some((bytes, totals)) = former {
            self.finished.add(totals);
            self.store.finished(bytes, totals, self.part_begun);
        }
        self.part_begun = Instant::now();
        Ok(())
    }

    /// Adds namespaces that appeared, and removes those that are gone. A namespace is gone when
    /// nothing refers to it any more: the recording itself keeps it alive.
    fn update_namespaces(&mut self, report: Report<'_>) {
        let specs = &self.options.namespaces;
        if !wants_all(specs) || self.searched.elapsed() < SEARCH_EVERY {
            return;
        }
        self.searched = Instant::now();
        // The next search may succeed.
        let _ = self.set.find(specs, |_, _| Ok(()), |_| ());
        self.options.filter.retain(|inode| self.set.is_member(inode));
        self.report_refused(report);
    }

    /// Bytes of the file that is written.
    fn written(&self) -> u64 {
        self.set.shared.recorder.as_ref().map_or(0, Recorder::written)
    }

    /// Bytes of all files.
    fn totals(&self) -> RecordedTotals {
        let mut totals = self.finished;
        totals.add(self.set.shared.recorder.as_ref().map(Recorder::totals).unwrap_or_default());
        totals
    }

    fn progress(&self) -> RecordingProgress {
        let RecordingOptions { interval, count, duration, max_size, .. } = self.options;
        let (samples, written) = (self.totals().samples, self.written());
        let elapsed = self.started.elapsed();
        let by_count = count.and_then(|count| {
            interval.checked_mul(u32::try_from(count.saturating_sub(samples)).ok()?)
        });
        let by_time = duration.map(|duration| duration.saturating_sub(elapsed));
        let by_size = max_size.filter(|_| self.store.is_one_file()).and_then(|most| {
            let samples = most.saturating_sub(written + CLOSING).checked_div(self.growth)?;
            interval.checked_mul(u32::try_from(samples).ok()?)
        });
        let kept = self.store.kept();
        let kept = kept
            .map(|(since, bytes)| (since.unwrap_or(self.part_begun).elapsed(), bytes + written));
        RecordingProgress {
            samples,
            sockets: self.sockets,
            size: self.store.finished_size() + written,
            elapsed,
            left: [by_count, by_time, by_size].into_iter().flatten().min(),
            kept,
        }
    }

    /// Deletes old files of a rotation.
    fn delete_expired(&mut self, report: Report<'_>) {
        for failure in self.store.delete_expired() {
            report(RecordingEvent::NotDeleted(&failure));
        }
    }

    /// Ends the recording.
    fn finish(
        mut self,
        result: Result<EndReason, MonitorError>,
        report: Report<'_>,
    ) -> Result<RecordingSummary, MonitorError> {
        let totals = self.totals();
        let why = if self.store.is_ring() {
            let why = result?;
            if self.options.write_on_exit {
                self.write_ring(&WriteReason::End(why), report)?;
            }
            why
        } else {
            let recorder = self.set.shared.recorder.take();
            let name = result.as_ref().map_or("error", |why| why.name());
            let ended = recorder.map_or(Ok(()), |recorder| recorder.finish(name));
            let why = result?;
            ended?;
            self.store.finished(Vec::new(), totals, self.part_begun);
            self.delete_expired(report);
            why
        };
        let path = self.store.path().to_owned();
        let size = match self.store.is_one_file() {
            true => fs::metadata(&path).map_or(0, |metadata| metadata.len()),
            false => self.store.finished_size(),
        };
        Ok(RecordingSummary {
            why,
            totals,
            elapsed: self.started.elapsed(),
            path,
            is_ring: self.store.is_ring(),
            files: self.store.finished_files(),
            size,
            quality: self.quality,
        })
    }
}

/// Opens the namespaces that were asked for, without a file.
fn open_namespaces(specs: &[String], with_keys: bool) -> Result<NamespaceSet<()>, MonitorError> {
    let shared = Shared {
        registry: ServiceRegistry::new(Rules::default(), Grouping::default(), PortNames::default()),
        owners: OwnerResolver::kernel(Scope::First)?,
        ecn: EcnWord::Unknown,
        recorder: Some(Recorder::new(with_keys)),
    };
    let opening = Opening {
        files: CounterFiles::All,
        events: Some(EventOptions::default()),
        gate: CounterGate::new(None),
    };
    let mut set = NamespaceSet::new(shared, opening);
    set.find(specs, |_, _| Ok(()), |_| ())?;
    Ok(set)
}

/// The namespace that files are begun with.
fn first(set: &NamespaceSet<()>) -> Result<&NetNamespace, MonitorError> {
    let first = set.members.first().and_then(|member| member.monitor.kernel_namespace());
    first.ok_or_else(|| MonitorError::NoNamespace("none is left".to_owned()))
}
