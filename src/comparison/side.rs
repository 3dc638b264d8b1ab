//! One side of a comparison: what its services did, and what the host counted.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::error::ComparisonError;
use super::measure::{Activities, MEASURES};
use super::span::Span;
use crate::counters::{Catalogue, CounterReader, CounterWidth, Counters, Group, Ratio, deltas};
use crate::history::Count;
use crate::identity::ServiceRegistry;
use crate::model::fields::tcp_info as t;
use crate::monitor::{
    Gaps, MonitorError, Observation, ObservationSink, Quality, RecordedIntervals, WallClockStep,
};
use crate::recording::{
    Mark, NamespaceChoice, RecordedNamespace, Sample, Session, full_time, local_time,
};
use crate::report::DiffSide;
use crate::sys::Clocks;
use crate::tracking::COUNTERS;

/// A service, by its name and role.
pub(super) type Name = (String, &'static str);

/// What one side did.
#[derive(Debug, Default)]
pub struct Side {
    pub(super) about: Option<DiffSide>,
    /// Counts by service and measure.
    pub(super) services: BTreeMap<Name, [Count; MEASURES.len()]>,
    /// Ratios of the host's counters, by id.
    pub(super) ratios: BTreeMap<&'static str, Count>,
    /// Growth of the host's counters, per second.
    pub(super) counters: BTreeMap<String, Count>,
    /// Seconds and intervals in which the growth of a counter is not known.
    unknown: BTreeMap<String, (f64, u64)>,
    pub(super) seconds: f64,
    pub(super) intervals: u64,
    began: u64,
    ended: u64,
    gaps: Gaps,
    quality: Quality,
    pub(super) missing: Vec<String>,
}

impl Side {
    /// Whether something is missing in its recordings.
    pub fn is_partial(&self) -> bool {
        self.gaps.is_partial() || self.quality.is_partial()
    }

    /// Counts what a time measure has no interval for.
    fn complete(&mut self) {
        let (seconds, intervals) = (self.seconds, self.intervals);
        let missing = |count: &Count| (seconds - count.exposure, intervals - count.intervals());
        for counts in self.services.values_mut() {
            for (measure, count) in MEASURES.iter().zip(counts) {
                if measure.is_by_second() {
                    let (seconds, intervals) = missing(count);
                    count.add_idle(seconds, intervals);
                }
            }
        }
        for (name, count) in &mut self.counters {
            let (seconds, intervals) = missing(count);
            // What could not be read is not 0.
            let (unknown, unknown_intervals) = self.unknown.get(name).copied().unwrap_or_default();
            count.add_idle(seconds - unknown, intervals.saturating_sub(unknown_intervals));
        }
    }
}

/// A side that is read.
pub struct SideReader {
    span: Span<Mark>,
    choice: NamespaceChoice,
    intervals: RecordedIntervals<Services>,
    services: Rc<RefCell<Services>>,
    side: Side,
    /// Counters of the sample before, by namespace, and what reads them.
    readings: FxHashMap<u64, (CounterReader, Counters)>,
    /// When the sample before began.
    before: Option<Clocks>,
    width: CounterWidth,
}

impl SideReader {
    /// For the samples of a session, of which intervals in the span count.
    pub fn new(session: &Session, span: Span<Mark>, registry: ServiceRegistry) -> Self {
        let services = Rc::new(RefCell::new(Services::default()));
        Self {
            span,
            choice: session.choice().clone(),
            intervals: RecordedIntervals::new(session, registry, Rc::clone(&services), false),
            services,
            side: Side::default(),
            readings: FxHashMap::default(),
            before: None,
            width: CounterWidth::of_machine(&session.sample().host.machine),
        }
    }

    /// Takes a sample.
    ///
    /// # Errors
    /// When it cannot be polled.
    pub fn take(&mut self, sample: &mut Sample) -> Result<(), ComparisonError> {
        let clocks = sample.clocks;
        let before = self.before.replace(clocks);
        let length = before.and_then(|before| clocks.monotonic_ns.checked_sub(before.monotonic_ns));
        let seconds = length.map_or(0.0, |length| length as f64 / 1e9);
        let is_in = seconds > 0.0 && self.span.holds(clocks);
        let (growth, quality) = self.counters(sample)?;
        self.services.borrow_mut().is_counted = is_in;
        self.intervals.take(sample)?;
        let activities = std::mem::take(&mut self.services.borrow_mut().activities);
        if !is_in {
            return Ok(());
        }
        if matches!(self.span, Span::At(_)) {
            // Only the last interval counts.
            self.side = Side::default();
        }
        let side = &mut self.side;
        if side.intervals == 0 {
            side.began = before.map_or(0, |before| before.realtime_ns);
        }
        side.ended = clocks.realtime_ns;
        side.quality.add(quality);
        side.seconds += seconds;
        side.intervals += 1;
        for (name, activities) in activities {
            let counts = side.services.entry(name).or_default();
            for (measure, count) in MEASURES.iter().zip(counts) {
                measure.add(count, &activities, seconds);
            }
        }
        for (id, events, of) in ratios(&growth) {
            side.ratios.entry(id).or_default().add(events, of);
        }
        for name in growth.unknown {
            let (unknown, intervals) = side.unknown.entry(name).or_default();
            *unknown += seconds;
            *intervals += 1;
        }
        for (name, growth) in growth.counters {
            side.counters.entry(name).or_default().add(growth as f64, seconds);
        }
        Ok(())
    }

    /// The side, when all samples of the session were taken.
    ///
    /// # Errors
    /// When no interval was in the span.
    pub fn finish(self, session: &Session) -> Result<Side, ComparisonError> {
        let mut side = self.side;
        let name = session.name().to_owned();
        if side.intervals == 0 {
            let first = session.first().map_or_else(String::new, local_time);
            return Err(ComparisonError::NoInterval { name, first });
        }
        side.complete();
        side.gaps = self.intervals.gaps();
        let sentences = side.gaps.sentences().into_iter().chain(side.quality.unread_files());
        side.missing = sentences.map(|line| format!("{name}: {line}")).collect();
        let host = session.host();
        side.about = Some(DiffSide {
            file: name,
            hostname: host.hostname,
            kernel: host.kernel,
            from: full_time(side.began),
            to: full_time(side.ended),
            seconds: side.seconds,
            intervals: side.intervals,
            clock_steps: session.clock_steps().iter().map(WallClockStep::from).collect(),
        });
        Ok(side)
    }

    /// What the counters grew by since the sample before, all chosen namespaces together, and what
    /// could not be read of them.
    fn counters(&mut self, sample: &Sample) -> Result<(Growth, Quality), ComparisonError> {
        let (mut growth, mut quality) = (Growth::default(), Quality::default());
        for namespace in &sample.namespaces {
            let texts = || read_last(namespace).filter(|(name, _)| FILES.contains(name));
            if !self.choice.includes(namespace) || texts().next().is_none() {
                // Not read in this sample: what they grew by is seen in the next.
                continue;
            }
            let before = self.readings.remove(&namespace.inode);
            let (mut reader, before) = match before {
                Some((reader, before)) => (reader, Some(before)),
                None => (CounterReader::given_watched(), None),
            };
            reader.give(texts());
            let mut now = Counters::default();
            reader.sample(&mut now).map_err(MonitorError::from)?;
            quality.add_counters(&now);
            if let Some(before) = &before {
                quality.add_counters(before);
                growth.add(before, &now, self.width);
            }
            self.readings.insert(namespace.inode, (reader, now));
        }
        Ok((growth, quality))
    }
}

/// The files whose counters are compared.
const FILES: [&str; 2] = ["snmp", "netstat"];

/// The counter files of a sample, as they were read last in it.
fn read_last(namespace: &RecordedNamespace) -> impl Iterator<Item = (&str, &str)> + Clone {
    let [before, after] = &namespace.part.counters;
    after.iter().chain(before).map(|(name, text)| (name.as_str(), text.as_str()))
}

/// What counters grew by in an interval.
#[derive(Default)]
struct Growth {
    counters: BTreeMap<String, u64>,
    /// Counters whose growth is not known in some namespace, as they could not be read or fell.
    unknown: BTreeSet<String>,
}

impl Growth {
    /// Adds what counters grew by from one reading to the next.
    fn add(&mut self, before: &Counters, now: &Counters, width: CounterWidth) {
        for (name, delta) in deltas(before, now, width) {
            if Group::split(name).is_none() {
                continue;
            }
            match (delta.growth(), self.counters.get_mut(name)) {
                (Some(grown), Some(sum)) => *sum += grown,
                (Some(grown), None) => drop(self.counters.insert(name.to_owned(), grown)),
                (None, _) => drop(self.unknown.insert(name.to_owned())),
            }
        }
        let is_unread = |name: &&str| before.is_unread(name) || now.is_unread(name);
        let catalogue = Catalogue::builtin().entries().iter().map(|entry| entry.name.as_str());
        self.unknown.extend(catalogue.filter(is_unread).map(str::to_owned));
        self.counters.retain(|name, _| !self.unknown.contains(name));
    }

    /// The sum over those counters that the kernel has; `None` if it has none, or if that of one is
    /// not known.
    fn sum(&self, names: &[String]) -> Option<f64> {
        if names.iter().any(|name| self.unknown.contains(name)) {
            return None;
        }
        let mut known = names.iter().filter_map(|name| self.counters.get(name)).peekable();
        known.peek()?;
        Some(known.sum::<u64>() as f64)
    }
}

/// The ratios of an interval: what was counted, and of how many.
fn ratios(growth: &Growth) -> impl Iterator<Item = (&'static str, f64, f64)> {
    Ratio::all().iter().filter_map(move |ratio| {
        // Those by time are in the counters.
        let timed = ratio.denominator.iter().any(|name| name == Ratio::ELAPSED_MS);
        let (events, of) = (growth.sum(&ratio.numerator)?, growth.sum(&ratio.denominator)?);
        (!timed).then_some((ratio.id.as_str(), events, of))
    })
}

/// What services did in an interval.
#[derive(Default)]
struct Services {
    is_counted: bool,
    activities: FxHashMap<Name, Activities>,
}

impl ObservationSink for Services {
    fn take(&mut self, seen: &Observation<'_>) {
        let Some((_, service)) = seen.service.filter(|_| self.is_counted) else { return };
        let key = (service.name.to_string(), service.role.name());
        let own = self.activities.entry(key).or_default();
        own.growth.resize(COUNTERS.len(), 0);
        if let Some(delta) = &seen.delta {
            for (field, growth) in delta.iter() {
                if let Some(at) = COUNTERS.iter().position(|known| std::ptr::eq(*known, field))
                    && let Some(sum) = own.growth.get_mut(at)
                {
                    *sum = sum.saturating_add(growth);
                }
            }
            let sends = delta.growth(&t::DATA_SEGS_OUT).or_else(|| delta.growth(&t::SEGS_OUT));
            if let (Some(1..), true, Some(rtt)) = (sends, seen.figures, t::RTT.integer(seen.socket))
            {
                own.rtt_us = own.rtt_us.saturating_add(rtt);
                own.rtts += 1;
            }
        }
        if let Some(activity) = seen.activity {
            own.opened += u64::from(activity.opened);
            own.closed += u64::from(activity.closed);
        }
    }
}
