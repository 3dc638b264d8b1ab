//! One side of a comparison: what its services did, and what the host counted.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::error::ComparisonError;
use super::measure::{Activities, MEASURES};
use super::span::Span;
use crate::counters::{CounterWidth, Counters, Group, Ratio, deltas, parse_snmp};
use crate::history::Count;
use crate::identity::ServiceRegistry;
use crate::model::fields::tcp_info as t;
use crate::monitor::{Gaps, Observation, ObservationSink, RecordedIntervals};
use crate::recording::{NamespaceChoice, RecordedNamespace, Sample, Session, full_time};
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
    pub(super) seconds: f64,
    pub(super) intervals: u64,
    began: u64,
    ended: u64,
    gaps: Gaps,
    pub(super) missing: Vec<String>,
}

impl Side {
    /// Whether something is missing in its recordings.
    pub fn is_partial(&self) -> bool {
        self.gaps.is_partial()
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
        for count in self.counters.values_mut() {
            let (seconds, intervals) = missing(count);
            count.add_idle(seconds, intervals);
        }
    }
}

/// A side that is read.
pub struct SideReader {
    span: Span<u64>,
    choice: NamespaceChoice,
    intervals: RecordedIntervals<Services>,
    services: Rc<RefCell<Services>>,
    side: Side,
    /// Counters of the sample before, by namespace.
    readings: FxHashMap<u64, Counters>,
    /// When the sample before began.
    before: Option<Clocks>,
    width: CounterWidth,
}

impl SideReader {
    /// For the samples of a session, of which intervals in the span count.
    pub fn new(session: &Session, span: Span<u64>, registry: ServiceRegistry) -> Self {
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
        let is_in = seconds > 0.0 && self.span.holds(clocks.realtime_ns);
        let growth = self.counters(sample);
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
        for (name, growth) in growth {
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
            let first = session.first().map_or_else(String::new, full_time);
            return Err(ComparisonError::NoInterval { name, first });
        }
        side.complete();
        side.gaps = self.intervals.gaps();
        let sentences = side.gaps.sentences();
        side.missing = sentences.into_iter().map(|line| format!("{name}: {line}")).collect();
        let host = session.host();
        side.about = Some(DiffSide {
            file: name,
            hostname: host.hostname,
            kernel: host.kernel,
            from: full_time(side.began),
            to: full_time(side.ended),
            seconds: side.seconds,
            intervals: side.intervals,
        });
        Ok(side)
    }

    /// What the counters grew by since the sample before, all chosen namespaces together.
    fn counters(&mut self, sample: &Sample) -> BTreeMap<String, u64> {
        let mut growth = BTreeMap::new();
        for namespace in &sample.namespaces {
            if !self.choice.includes(namespace) {
                continue;
            }
            let texts = ["snmp", "netstat"].map(|name| text(namespace, name));
            if texts.iter().all(|text| text.is_empty()) {
                // Not read in this sample: what they grew by is seen in the next.
                continue;
            }
            let now = parse_snmp(&texts.concat());
            if let Some(before) = self.readings.get(&namespace.inode) {
                for (name, delta) in deltas(before, &now, self.width) {
                    if let (Some(grown), Some(_)) = (delta.growth(), Group::split(name)) {
                        match growth.get_mut(name) {
                            Some(sum) => *sum += grown,
                            None => drop(growth.insert(name.to_owned(), grown)),
                        }
                    }
                }
            }
            self.readings.insert(namespace.inode, now);
        }
        growth
    }
}

/// A counter file as it was read last in a sample.
fn text<'s>(namespace: &'s RecordedNamespace, name: &str) -> &'s str {
    let [before, after] = &namespace.part.counters;
    let mut found = after.iter().chain(before).filter(|(known, _)| known == name);
    found.next().map_or("", |(_, text)| text)
}

/// The ratios of an interval: what was counted, and of how many.
fn ratios(growth: &BTreeMap<String, u64>) -> impl Iterator<Item = (&'static str, f64, f64)> {
    let sum = |names: &[String]| {
        let mut known = names.iter().filter_map(|name| growth.get(name)).peekable();
        known.peek()?;
        Some(known.sum::<u64>() as f64)
    };
    Ratio::all().iter().filter_map(move |ratio| {
        // Those by time are in the counters.
        let timed = ratio.denominator.iter().any(|name| name == Ratio::ELAPSED_MS);
        let (events, of) = (sum(&ratio.numerator)?, sum(&ratio.denominator)?);
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
            if let (Some(1..), true, Some(rtt @ 1..)) =
                (sends, seen.figures, t::RTT.integer(seen.socket))
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
