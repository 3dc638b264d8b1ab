//! Watching what happened in a recording.

use std::fs::File;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::DiagnoseCommand;
use super::place::{Place, Wanted};
use super::tell::Teller;
use crate::cli::config::Config;
use crate::cli::exit::Exit;
use crate::cli::expression::Lookups;
use crate::cli::owners::People;
use crate::cli::past::{Pace, Recording, complain, host, nothing, timestamp};
use crate::cli::scene::{Chosen, is_all, wanted};
use crate::cli::services::feed::Side;
use crate::diagnosis::Question;
use crate::procfs::PortNames;
use crate::recording::{Sample, Walk};
use crate::report::Quality;
use crate::sys::{Interrupt, Usage, give_memory_back};

pub(super) fn run(
    command: &DiagnoseCommand,
    config: &Config,
    asked: Vec<bool>,
    mut recording: Recording,
) -> anyhow::Result<Exit> {
    let usage = Usage::now();
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
    let first = walk.sample();
    let ports = PortNames::load();
    let expr = command.filter.expression(&Lookups { ports: &ports, past: Some(first) })?;
    let from_host = host(first);
    let mut replay = Replay {
        command,
        wanted: Wanted::new(command, expr, ports, from_host.ecn_word()),
        question: command.question(config, asked, &first.host.machine),
        chosen: wanted(&first.namespaces, &command.filter.netns)?,
        people: People::recorded(),
        places: Vec::new(),
        began: first.clocks.monotonic_ns,
        elapsed: Duration::ZERO,
        at: first.clocks.realtime_ns,
        hidden: Quality::default(),
    };
    replay.watch(&mut walk, pace, &interrupt).with_context(|| path.display().to_string())?;
    // What was known by the last sample gives the names.
    replay.people.exchange(walk.sample_mut());
    let damaged = walk.damage().is_some();
    if let Some(damage) = walk.damage() {
        complain(path, damage);
    }
    let Replay { places, people, elapsed, at, hidden, .. } = replay;
    let many = places.len() > 1 || is_all(&command.filter.netns);
    let mut teller = Teller::new(command, config, many, hidden);
    for place in places {
        teller.conclude(place, Some(&people))?;
    }
    let exit = teller.tell(&from_host, timestamp(at), elapsed, usage)?;
    let partial = damaged && command.strict && matches!(exit, Exit::Done);
    Ok(if partial { Exit::Partial } else { exit })
}

/// A run on a recording.
struct Replay<'a> {
    command: &'a DiagnoseCommand,
    wanted: Wanted,
    question: Question,
    chosen: Chosen,
    people: People,
    places: Vec<Place>,
    /// When its first sample began.
    began: u64,
    /// From there to the last.
    elapsed: Duration,
    /// When the last one began, in nanoseconds since 1970.
    at: u64,
    hidden: Quality,
}

impl Replay<'_> {
    /// Looks at one sample after the other.
    fn watch(
        &mut self,
        walk: &mut Walk<'_, File>,
        mut pace: Pace,
        interrupt: &Interrupt,
    ) -> anyhow::Result<()> {
        pace.start(self.began);
        let mut samples = 0;
        loop {
            self.look(walk.sample_mut())?;
            samples += 1;
            let over = self.command.duration.is_some_and(|most| self.elapsed >= most);
            if over || !walk.advance() || pace.wait(walk.sample().clocks.monotonic_ns, interrupt) {
                break;
            }
        }
        if samples < 2 {
            bail!("only one sample in the span: two are needed to see what happened");
        }
        Ok(())
    }

    fn look(&mut self, sample: &mut Sample) -> anyhow::Result<()> {
        self.elapsed = Duration::from_nanos(sample.clocks.monotonic_ns.saturating_sub(self.began));
        self.at = sample.clocks.realtime_ns;
        self.hidden.add(Quality {
            processes_hidden: sample.processes_hidden,
            permission_limited: std::mem::take(&mut sample.permission_limited),
            ..Quality::default()
        });
        self.people.exchange(sample);
        let result = self.look_at_places(sample);
        self.people.exchange(sample);
        result
    }

    fn look_at_places(&mut self, sample: &mut Sample) -> anyhow::Result<()> {
        for namespace in &mut sample.namespaces {
            if namespace.part.parts.is_empty() || !self.chosen.includes(namespace.inode) {
                continue;
            }
            let known = self.places.iter().position(|one| one.namespace.inode == namespace.inode);
            let index = known.unwrap_or_else(|| {
                let events = !self.command.no_events;
                self.places.push(Place::recorded(namespace, self.question.clone(), events));
                self.places.len() - 1
            });
            let Some(place) = self.places.get_mut(index) else { continue };
            place.load(namespace);
            if known.is_none() {
                place.read_host(Side::Before)?;
            }
            place.look(&self.wanted, &mut self.people, self.elapsed)?;
            place.read_host(Side::After)?;
        }
        Ok(())
    }
}
