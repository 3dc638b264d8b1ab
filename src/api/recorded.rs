//! Reading recordings.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use super::collector::{RowCollector, take_rows};
use super::error::Error;
use super::filter::{Filter, ResolvedFilter};
use super::interval::Interval;
use super::rules::ServiceRules;
use super::snapshot::{Snapshot, opening, request};
use super::{between, wall_time};
use crate::attribution::{IntervalSum, NamespaceAttribution};
use crate::counters::CounterWidth;
use crate::monitor::{
    CounterFiles, CounterGate, IntervalSchedule, Level, MonitorError, NamespaceMonitor,
    NamespaceSet, Opening, OwnerResolver, PollRequest, Quality, Shared,
};
use crate::procfs::{PortNames, capabilities};
use crate::recording::{NamespaceChoice, Sample, Session, SessionOptions, When};
use crate::socket_diag::EventOptions;
use crate::sys::Clocks;

/// Which part of a [`Recording`] to read. By default: all of it, of its first network namespace.
#[derive(Debug, Clone, Default)]
pub struct RecordingOptions {
    session: SessionOptions,
    rules: ServiceRules,
}

impl RecordingOptions {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads these network namespaces: names or inodes as the recording has them, or `all`.
    #[must_use]
    pub fn namespaces<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.session.namespaces = names.into_iter().map(Into::into).collect();
        self
    }

    /// Begins with the first sample at this time or later.
    #[must_use]
    pub fn from(mut self, time: SystemTime) -> Self {
        self.session.from = Some(When::At(nanoseconds(time)));
        self
    }

    /// Ends with the last sample at this time or earlier.
    #[must_use]
    pub fn to(mut self, time: SystemTime) -> Self {
        self.session.to = Some(When::At(nanoseconds(time)));
        self
    }

    /// Names services by these rules.
    #[must_use]
    pub fn service_rules(mut self, rules: ServiceRules) -> Self {
        self.rules = rules;
        self
    }
}

/// One recording, in one or several files: what `tcpdiag record` or
/// `tcpdiag services --record` wrote, or another program's capture of an nlmon device (pcap, pcapng), plain or compressed
/// (zstd).
///
/// It is read once, as [`Snapshots`] or as [`Intervals`]; open it again to read it again. It stays on
/// its thread; what it yields can be sent to others.
///
/// ```
/// use tcpdiag::{Filter, Recording};
///
/// let path = "fixtures/diagnose/full-accept-queue-server.pcapng.zst";
///
/// // The sockets of each sample.
/// let listeners = Filter::parse("state listening")?;
/// let mut snapshots = Recording::open([path])?.snapshots(&listeners)?;
/// let first = snapshots.next().ok_or("a sample")??;
/// let queue = first.rows.iter().filter_map(|row| row.accept_queue()).max();
/// println!("{} ({}): fullest accept queue {queue:?}", first.hostname, first.kernel);
/// assert!(queue.is_some());
/// # assert!(snapshots.count() > 1);
///
/// // What happened between samples, by service.
/// let mut drops = 0;
/// for interval in Recording::open([path])?.intervals(None)? {
///     let interval = interval?;
///     drops += interval.counter("TcpExtListenDrops").map_or(0, |counter| counter.growth);
/// }
/// assert!(drops > 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Recording {
    session: Session,
    rules: ServiceRules,
}

impl Recording {
    /// Opens files, or directories with the files of one recording, as `record --rotate` writes
    /// them. They are read in time order.
    ///
    /// # Errors
    /// [`Error::Recording`].
    pub fn open<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> Result<Self, Error> {
        Self::open_with(paths, &RecordingOptions::default())
    }

    /// The same with options.
    ///
    /// # Errors
    /// [`Error::Recording`].
    pub fn open_with<P: Into<PathBuf>>(
        paths: impl IntoIterator<Item = P>,
        options: &RecordingOptions,
    ) -> Result<Self, Error> {
        let paths: Vec<PathBuf> = paths.into_iter().map(Into::into).collect();
        let session = Session::open(&paths, &options.session)?;
        Ok(Self { session, rules: options.rules.clone() })
    }

    /// The name of the recorded host (`uname -n`); empty for a capture by another program.
    pub fn hostname(&self) -> String {
        self.session.host().hostname
    }

    /// When the first sample was begun, by the wall clock of the recorded host.
    pub fn begins_at(&self) -> SystemTime {
        wall_time(self.session.sample().clocks)
    }

    /// Its samples, and the sockets in each that pass `filter`. Services and owners are those that
    /// were recorded; a capture by another program has none.
    ///
    /// # Errors
    /// [`Error::Filter`] for an interface or cgroup that the first sample does not know.
    pub fn snapshots(self, filter: &Filter) -> Result<Snapshots, Error> {
        let Self { session, rules } = self;
        let ports = PortNames::load();
        let first = session.sample();
        let filter = filter.resolve(&ports, Some(first), &[])?;
        let is_capture = first.capture;
        let owners = if is_capture { OwnerResolver::none() } else { OwnerResolver::recording() };
        let shared = Shared {
            registry: rules.registry(ports),
            owners,
            ecn: session.host().ecn_word(),
            recorder: None,
        };
        Ok(Snapshots {
            set: NamespaceSet::new(shared, opening()),
            filter,
            level: if is_capture { Level::Role } else { Level::Processes },
            epoch: (Instant::now(), first.clocks),
            session,
            begun: false,
        })
    }

    /// What happened between its samples, in intervals of this length or, with `None`, between each
    /// two samples. The last interval may be shorter.
    ///
    /// # Errors
    /// [`Error::Recording`] for a capture by another program, which has no counters, and
    /// [`Error::Kernel`] if the first sample's counters cannot be read.
    pub fn intervals(mut self, length: Option<Duration>) -> Result<Intervals, Error> {
        let first = self.session.sample();
        if first.capture {
            let reason = format!("{}: a capture has no counters", self.session.name());
            return Err(Error::Recording(reason.into()));
        }
        let shared = Shared {
            registry: self.rules.registry(PortNames::load()),
            owners: OwnerResolver::recording(),
            ecn: self.session.host().ecn_word(),
            recorder: None,
        };
        let opening = Opening {
            files: CounterFiles::Catalogue,
            events: Some(EventOptions::default()),
            gate: CounterGate::new(None),
        };
        let mut replay = Replay {
            set: NamespaceSet::new(shared, opening),
            choice: self.session.choice().clone(),
            width: CounterWidth::of_machine(&first.host.machine),
            since: first.clocks,
            epoch: (Instant::now(), first.clocks),
        };
        let schedule = IntervalSchedule::new(length, None, first);
        replay.poll(self.session.sample_mut(), false)?;
        Ok(Intervals { session: self.session, replay, schedule })
    }
}

/// The samples of a [`Recording`]. Ends at damage; see [`damage`](Self::damage).
pub struct Snapshots {
    session: Session,
    set: NamespaceSet<RowCollector>,
    filter: ResolvedFilter,
    level: Level,
    /// Stands for the clocks of the first sample.
    epoch: (Instant, Clocks),
    /// Whether the session's current sample was delivered.
    begun: bool,
}

impl Snapshots {
    /// What is wrong with the files, as far as they were read: usually a recording that ends in the
    /// middle of a sample because its writer was killed. What was read before it is right.
    pub fn damage(&self) -> Vec<String> {
        damage(&self.session)
    }

    fn snapshot(&mut self) -> Result<Snapshot, Error> {
        let choice = self.session.choice().clone();
        let host = self.session.host();
        let sample = self.session.sample_mut();
        let (here, there) = self.epoch;
        let at = here + between(there, sample.clocks);
        let request = request(&self.filter, self.level, at, true);
        let (filter, level) = (&self.filter, self.level);
        let collector =
            |monitor: &NamespaceMonitor| RowCollector::new(&monitor.namespace, filter, level);
        self.set.poll_sample(sample, &choice, &request, collector, |_, _| Ok(()))?;
        let mut quality = recorded_quality(sample);
        if !sample.host.net_admin && !sample.capture {
            quality
                .permission_limited
                .push(capabilities::hidden_attributes(capabilities::NET_ADMIN));
        }
        let collectors = self.set.members.iter_mut().map(|member| &mut member.consumer);
        let rows = take_rows(collectors, &mut quality);
        Ok(Snapshot {
            captured_at: wall_time(sample.clocks),
            hostname: host.hostname,
            kernel: host.kernel,
            rows,
            quality,
        })
    }
}

impl Iterator for Snapshots {
    type Item = Result<Snapshot, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if std::mem::replace(&mut self.begun, true) && !self.session.advance() {
            return None;
        }
        Some(self.snapshot())
    }
}

impl std::fmt::Debug for Snapshots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshots").field("session", &self.session).finish_non_exhaustive()
    }
}

/// The intervals of a [`Recording`]. Ends at damage; see [`damage`](Self::damage).
#[derive(Debug)]
pub struct Intervals {
    session: Session,
    replay: Replay,
    schedule: IntervalSchedule,
}

/// The polls that a recording is made of.
#[derive(Debug)]
struct Replay {
    set: NamespaceSet<NamespaceAttribution>,
    choice: NamespaceChoice,
    width: CounterWidth,
    /// When the last interval ended.
    since: Clocks,
    /// Stands for the clocks of the first sample.
    epoch: (Instant, Clocks),
}

impl Replay {
    fn poll(&mut self, sample: &mut Sample, ends_interval: bool) -> Result<(), MonitorError> {
        let (here, there) = self.epoch;
        let at = here + between(there, sample.clocks);
        let request = PollRequest::of_connections(at, ends_interval);
        let width = self.width;
        self.set.poll_sample(
            sample,
            &self.choice,
            &request,
            |_| NamespaceAttribution::new(width),
            |member, is_new| {
                if is_new {
                    member.consumer.begin_interval();
                }
                Ok(())
            },
        )
    }
}

impl Intervals {
    /// What is wrong with the files, as far as they were read; see [`Snapshots::damage`].
    pub fn damage(&self) -> Vec<String> {
        damage(&self.session)
    }

    /// Polls the current sample; returns the interval that ends with it.
    fn take_sample(&mut self) -> Result<Option<Interval>, Error> {
        let is_last = self.session.is_last();
        let ends_interval = self.schedule.ends_with(self.session.sample(), is_last);
        let sample = self.session.sample_mut();
        self.replay.poll(sample, ends_interval)?;
        if !ends_interval {
            return Ok(None);
        }
        let Replay { set, since, .. } = &mut self.replay;
        let mut total = IntervalSum::default();
        for member in &mut set.members {
            total.add(&member.consumer.begin_interval());
        }
        total.quality.add(recorded_quality(sample));
        let at = sample.clocks;
        let length = between(*since, at);
        *since = at;
        Ok(Some(Interval::new(wall_time(at), length, total, &set.shared.registry)))
    }
}

impl Iterator for Intervals {
    type Item = Result<Interval, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.session.advance() {
            match self.take_sample() {
                Ok(None) => {}
                Ok(Some(interval)) => return Some(Ok(interval)),
                Err(error) => return Some(Err(error)),
            }
        }
        None
    }
}

/// What the recorder could not read.
fn recorded_quality(sample: &mut Sample) -> Quality {
    let mut quality = Quality {
        processes_hidden: sample.processes_hidden,
        permission_limited: sample.permission_limited.clone(),
        recorded_filter: sample.filter.clone(),
        ..Quality::default()
    };
    quality.take_clock_steps(sample);
    quality
}

fn damage(session: &Session) -> Vec<String> {
    session.damage().iter().map(ToString::to_string).collect()
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
