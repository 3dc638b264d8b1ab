//! One side of a comparison: what its services did, and what the host counted.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use rustc_hash::FxHashMap;

use super::DiffCommand;
use super::measure::{Deeds, MEASURES};
use super::span::{Asked, Span};
use crate::cli::convert::{check_namespaces, gaps, is_of, meter};
use crate::cli::passage::{Gaps, Passage, Sight};
use crate::cli::past::{complain, in_full, nothing};
use crate::counters::{CounterWidth, Counters, Group, Ratio, deltas, parse_snmp};
use crate::history::Count;
use crate::model::fields::tcp_info as t;
use crate::output::human::grouped;
use crate::recording::{self, Reader, RecordedNamespace, Sample, Walk};
use crate::report::DiffSide;
use crate::sys::{Clocks, Interrupt};
use crate::tracking::COUNTERS;

/// A service, by its name and role.
pub(super) type Name = (String, &'static str);

/// One side.
#[derive(Debug, Default)]
pub(super) struct Side {
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
    pub(super) said: Vec<String>,
    damaged: bool,
}

impl Side {
    pub(super) fn is_partial(&self) -> bool {
        self.damaged || self.gaps.is_partial()
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

/// Reads a side; `None` if the user interrupted.
pub(super) fn read(
    asked: &Asked,
    command: &DiffCommand,
    interrupt: &Interrupt,
) -> anyhow::Result<Option<Side>> {
    let name = asked.file.display().to_string();
    let (file, mut meter) = meter::open(&asked.file)?;
    let mut reader = Reader::new(file).with_context(|| name.clone())?;
    if !reader.is_of_this_byte_order() {
        bail!("{name}: recorded on a machine of the other byte order");
    }
    let span = recording::Span { from: None, to: asked.span.end() };
    let mut walk = Walk::new(&mut reader, span);
    let mut reading = Reading {
        span: asked.span,
        netns: &command.netns,
        passage: Passage::new(command.by)?,
        side: Side::default(),
        readings: FxHashMap::default(),
        before: None,
    };
    let mut count = 0u64;
    while walk.advance() {
        if count == 0 {
            check_namespaces(&command.netns, walk.sample()).with_context(|| name.clone())?;
        }
        reading.take(walk.sample())?;
        reading.passage.clean(walk.sample_mut());
        count += 1;
        meter.show(|| format!("{} samples", grouped(count)));
        if interrupt.is_asked() {
            meter.clear();
            return Ok(None);
        }
    }
    meter.clear();
    let mut side = reading.side;
    if let Some(damage) = walk.damage() {
        complain(&asked.file, damage);
        side.damaged = true;
    }
    if count == 0 {
        return Err(nothing(&asked.file, span, walk.first()));
    }
    if side.intervals == 0 {
        let first = walk.first().map_or_else(String::new, in_full);
        bail!(
            "{name}: no interval between two samples in that span; its first sample is of {first}"
        );
    }
    side.complete();
    side.gaps = reading.passage.gaps;
    side.said = gaps(&side.gaps).into_iter().map(|line| format!("{name}: {line}")).collect();
    let host = &walk.sample().host;
    side.about = Some(DiffSide {
        file: name,
        hostname: host.hostname.clone(),
        kernel: host.kernel.clone(),
        from: in_full(side.began),
        to: in_full(side.ended),
        seconds: side.seconds,
        intervals: side.intervals,
    });
    Ok(Some(side))
}

/// A side being read.
struct Reading<'a> {
    span: Span,
    netns: &'a [String],
    passage: Passage,
    side: Side,
    /// Counters of the sample before, by namespace.
    readings: FxHashMap<u64, Counters>,
    /// When the sample before began.
    before: Option<Clocks>,
}

impl Reading<'_> {
    fn take(&mut self, sample: &Sample) -> anyhow::Result<()> {
        let clocks = sample.clocks;
        let before = self.before.replace(clocks);
        let length = before.and_then(|before| clocks.monotonic_ns.checked_sub(before.monotonic_ns));
        let seconds = length.map_or(0.0, |length| length as f64 / 1e9);
        let is_in = seconds > 0.0 && self.span.holds(clocks.realtime_ns);
        let mut deeds: FxHashMap<Name, Deeds> = FxHashMap::default();
        let netns = self.netns;
        self.passage.take(sample, &mut |sight| {
            if is_in && is_of(sight.namespace, netns) {
                note(sight, &mut deeds);
            }
            Ok(())
        })?;
        let growth = self.counters(sample, CounterWidth::of_machine(&sample.host.machine));
        if is_in {
            if matches!(self.span, Span::At(_)) {
                // Only the last one counts.
                self.side = Side::default();
            }
            let side = &mut self.side;
            if side.intervals == 0 {
                side.began = before.map_or(0, |before| before.realtime_ns);
            }
            side.ended = clocks.realtime_ns;
            side.seconds += seconds;
            side.intervals += 1;
            for (name, deeds) in deeds {
                let counts = side.services.entry(name).or_default();
                for (measure, count) in MEASURES.iter().zip(counts) {
                    measure.add(count, &deeds, seconds);
                }
            }
            for (id, events, of) in ratios(&growth) {
                side.ratios.entry(id).or_default().add(events, of);
            }
            for (name, growth) in growth {
                side.counters.entry(name).or_default().add(growth as f64, seconds);
            }
        }
        Ok(())
    }

    /// What the counters grew by since the sample before, all namespaces together.
    fn counters(&mut self, sample: &Sample, width: CounterWidth) -> BTreeMap<String, u64> {
        let mut growth = BTreeMap::new();
        for namespace in sample.namespaces.iter().filter(|namespace| is_of(namespace, self.netns)) {
            let texts = ["snmp", "netstat"].map(|name| text(namespace, name));
            if texts.iter().all(|text| text.is_empty()) {
                // Not read in this sample: what they grew by is seen in the next.
                continue;
            }
            let now = parse_snmp(&texts.concat());
            if let Some(before) = self.readings.get(&namespace.inode) {
                for (name, delta) in deltas(before, &now, width) {
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

/// Notes what a socket did.
fn note(sight: &Sight<'_>, deeds: &mut FxHashMap<Name, Deeds>) {
    let key = (sight.label.to_owned(), sight.service_role);
    let own = deeds.entry(key).or_default();
    own.growth.resize(COUNTERS.len(), 0);
    if let Some(delta) = &sight.delta {
        for (field, growth) in delta.iter() {
            if let Some(at) = COUNTERS.iter().position(|known| std::ptr::eq(*known, field))
                && let Some(sum) = own.growth.get_mut(at)
            {
                *sum = sum.saturating_add(growth);
            }
        }
        let sends = delta.growth(&t::DATA_SEGS_OUT).or_else(|| delta.growth(&t::SEGS_OUT));
        if let (Some(1..), true, Some(rtt @ 1..)) =
            (sends, sight.figures, t::RTT.integer(sight.socket))
        {
            own.rtt_us = own.rtt_us.saturating_add(rtt);
            own.rtts += 1;
        }
    }
    if let Some(activity) = sight.activity {
        own.opened += u64::from(activity.opened);
        own.closed += u64::from(activity.closed);
    }
}
