//! Watching a recording, as the kernel would be watched.

use std::fs::File;

use anyhow::Context as _;

use super::ServicesCommand;
use super::gate::Gate;
use super::output::Output;
use super::place::{Common, Opening, Place};
use super::run::selection;
use super::session::Session;
use crate::attribution::Classifier;
use crate::cli::config::Config;
use crate::cli::exit::Exit;
use crate::cli::grid::Grid;
use crate::cli::owners::People;
use crate::cli::past::{Pace, Recording, complain, host, nothing};
use crate::cli::scene::{Chosen, wanted};
use crate::counters::{CounterReader, CounterWidth, Counters};
use crate::procfs::PortNames;
use crate::recording::{self, Sample, Walk};
use crate::report::{Polls, Quality};
use crate::socket_diag::EventOptions;
use crate::sys::{Interrupt, give_memory_back};

pub(super) fn run(
    command: &ServicesCommand,
    config: Config,
    mut recording: Recording,
) -> anyhow::Result<Exit> {
    let interrupt = Interrupt::install()?;
    give_memory_back();
    let span = recording.span();
    let (mut walk, path, pace) = recording.walk();
    if !walk.advance() {
        if let Some(damage) = walk.damage() {
            complain(path, damage);
        }
        return Err(nothing(path, span, walk.first()));
    }
    let mut replay = Replay::new(command, config, walk.sample(), pace)?;
    let name = || path.display().to_string();
    replay.begin(&mut walk).with_context(name)?;
    let mut left = command.count().filter(|_| command.is_bounded());
    let mut asked = false;
    while left != Some(0) && !asked && !replay.grid.is_over() && walk.advance() {
        asked = replay.pace.wait(walk.sample().clocks.monotonic_ns, &interrupt);
        if replay.sample(&mut walk, asked).with_context(name)? {
            left = left.map(|left| left - 1);
        }
    }
    if let Some(damage) = walk.damage() {
        complain(path, damage);
    }
    let damaged = walk.damage().is_some();
    replay.close(damaged).with_context(name)
}

/// A run on a recording.
struct Replay<'a> {
    session: Session<'a>,
    chosen: Chosen,
    width: CounterWidth,
    grid: Grid,
    pace: Pace,
}

impl<'a> Replay<'a> {
    fn new(
        command: &'a ServicesCommand,
        config: Config,
        first: &Sample,
        pace: Pace,
    ) -> anyhow::Result<Self> {
        let host = host(first);
        let common = Common {
            classifier: Classifier::new(config.services, command.by, PortNames::load()),
            servers: People::recorded(),
            holders: None,
            ecn: host.ecn_word(),
            keep: None,
        };
        let selection = selection(&command.counter, &counters(first))?;
        let output = Output::new(command, selection, pace.is_given());
        let polls = Polls::default();
        Ok(Self {
            session: Session::new(command, host, common, output, polls, first.clocks),
            chosen: wanted(&first.namespaces, &command.netns)?,
            width: CounterWidth::of_machine(&first.host.machine),
            grid: Grid::new(command.interval.or(command.duration), command.duration, first),
            pace,
        })
    }

    /// Sets the baseline.
    fn begin(&mut self, walk: &mut Walk<'_, File>) -> anyhow::Result<()> {
        let at = walk.sample().clocks;
        self.pace.start(at.monotonic_ns);
        self.poll(walk.sample_mut(), false)?;
        self.session.begin(at);
        Ok(())
    }

    /// Takes a sample; true if an interval ended with it.
    fn sample(&mut self, walk: &mut Walk<'_, File>, ends: bool) -> anyhow::Result<bool> {
        let is_last = walk.is_last() || ends;
        let levels = self.grid.ends_with(walk.sample(), is_last);
        let sample = walk.sample_mut();
        self.poll(sample, levels)?;
        if levels {
            let hidden = Quality {
                processes_hidden: sample.processes_hidden,
                permission_limited: std::mem::take(&mut sample.permission_limited),
                recorded_filter: sample.filter.clone(),
                ..Quality::default()
            };
            self.session.close_interval(sample.clocks, &hidden)?;
        }
        Ok(levels)
    }

    /// Polls the namespaces that the sample is of.
    fn poll(&mut self, sample: &mut Sample, levels: bool) -> anyhow::Result<()> {
        self.session.common.servers.exchange(sample);
        let result = self.poll_places(sample, levels);
        self.session.common.servers.exchange(sample);
        result
    }

    fn poll_places(&mut self, sample: &mut Sample, levels: bool) -> anyhow::Result<()> {
        let poll = self.session.poll_at(sample.clocks, levels);
        let Session { places, common, polls, command, .. } = &mut self.session;
        if !sample.early {
            // Those that are gone from a sample of all are gone.
            let sampled =
                |inode: u64| sample.namespaces.iter().any(|it| it.inode == inode && is_sampled(it));
            places.retain(|place| sampled(place.namespace.inode));
        }
        for namespace in sample.namespaces.iter_mut() {
            if !is_sampled(namespace) || !self.chosen.includes(namespace.inode) {
                continue;
            }
            match places.iter_mut().find(|place| place.namespace.inode == namespace.inode) {
                Some(place) => {
                    place.load(namespace);
                    place.poll(common, poll)?;
                    let count = if levels { &mut polls.regular } else { &mut polls.early };
                    *count += 1;
                }
                None => {
                    let events = (!command.no_events).then(EventOptions::default);
                    let opening = Opening { width: self.width, events, gate: Gate::new(None) };
                    let mut place = Place::recorded(namespace, opening);
                    place.load(namespace);
                    place.poll(common, super::place::Poll { levels: false, ..poll })?;
                    place.begin_interval();
                    places.push(place);
                }
            }
        }
        Ok(())
    }

    /// Shows the whole run.
    fn close(self, damaged: bool) -> anyhow::Result<Exit> {
        if self.session.intervals == 0 {
            anyhow::bail!("only one sample in the span: two are needed to see what grew");
        }
        let strict = self.session.command.strict;
        let partial = self.session.close(true)? || damaged;
        Ok(if strict && partial { Exit::Partial } else { Exit::Done })
    }
}

/// Whether a sample is of this namespace.
fn is_sampled(namespace: &recording::RecordedNamespace) -> bool {
    !namespace.part.parts.is_empty()
}

/// The counters of a sample's first namespace.
fn counters(sample: &Sample) -> Counters {
    let mut counters = Counters::default();
    let texts = sample.namespaces.first().map_or(&[][..], |namespace| &namespace.part.counters[0]);
    let mut reader = CounterReader::given();
    reader.give(texts.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    // Where there are none, the first poll says so.
    let _ = reader.sample(&mut counters);
    counters
}
