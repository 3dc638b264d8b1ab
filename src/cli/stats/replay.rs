//! Showing the counters of a recording.

use std::fs::File;
use std::path::Path;

use super::StatsCommand;
use super::run::{Output, keep, selection};
use super::tell::Telling;
use super::watch::Watch;
use crate::cli::config::Config;
use crate::cli::exit::Exit;
use crate::cli::grid::Grid;
use crate::cli::past::{Pace, Recording, complain, host, nothing};
use crate::cli::scene::{Chosen, wanted};
use crate::counters::CounterWidth;
use crate::recording::{RecordedNamespace, Sample, Walk};
use crate::sys::{Interrupt, Usage};

pub(super) fn run(
    command: &StatsCommand,
    config: &Config,
    mut recording: Recording,
) -> anyhow::Result<Exit> {
    let usage = Usage::now();
    let span = recording.span();
    let (mut walk, path, mut pace) = recording.walk();
    if !walk.advance() {
        if let Some(damage) = walk.damage() {
            complain(path, damage);
        }
        return Err(nothing(path, span, walk.first()));
    }
    let first = walk.sample();
    let host = host(first);
    let chosen = wanted(&first.namespaces, &command.netns)?;
    let mut watches = Vec::new();
    take(&mut watches, first, &chosen)?;
    let selection = selection(command, watches.first())?;
    let telling = Telling {
        host: &host,
        config,
        selection: &selection,
        width: CounterWidth::of_machine(&first.host.machine),
    };
    let mut output = Output::new(command, &selection, watches.len() > 1);
    if command.repeat.interval.is_some() {
        let interrupt = Interrupt::install()?;
        output.totals(&telling, &watches, usage)?;
        let grid = Grid::new(command.repeat.interval, None, first);
        pace.start(first.clocks.monotonic_ns);
        let mut intervals = Intervals { grid, pace, left: command.repeat.count };
        let mut samples = 1;
        while intervals.next(&mut walk, &interrupt) {
            let usage = Usage::now();
            take(&mut watches, walk.sample(), &chosen)?;
            output.interval(&telling, &watches, usage)?;
            samples += 1;
        }
        output.close(&telling, &watches, samples, usage)?;
    } else {
        last(&mut walk, &mut watches, &chosen)?;
        output.growth(&telling, &watches, usage)?;
    }
    keep(command, &host, &watches)?;
    let partial = output.partial || is_damaged(&walk, path);
    Ok(if command.strict && partial { Exit::Partial } else { Exit::Done })
}

/// The last reading of the one namespace that is asked for.
pub(super) fn reading(
    command: &StatsCommand,
    recording: &mut Recording,
) -> anyhow::Result<(Watch, Sample, bool)> {
    let span = recording.span();
    let (mut walk, path, _) = recording.walk();
    if !walk.advance() {
        if let Some(damage) = walk.damage() {
            complain(path, damage);
        }
        return Err(nothing(path, span, walk.first()));
    }
    let chosen = wanted(&walk.sample().namespaces, &command.netns)?;
    let mut watches = Vec::new();
    take(&mut watches, walk.sample(), &chosen)?;
    last(&mut walk, &mut watches, &chosen)?;
    let damaged = is_damaged(&walk, path);
    let watch = watches.into_iter().next();
    let watch = watch.ok_or_else(|| anyhow::anyhow!("{}: no counters in it", path.display()))?;
    Ok((watch, walk.into_sample(), damaged))
}

/// Goes to the last sample and takes it.
fn last(
    walk: &mut Walk<'_, File>,
    watches: &mut Vec<Watch>,
    chosen: &Chosen,
) -> anyhow::Result<()> {
    let mut moved = false;
    while walk.advance() {
        moved = true;
    }
    if moved { take(watches, walk.sample(), chosen) } else { Ok(()) }
}

/// Takes what a sample says of each namespace.
fn take(watches: &mut Vec<Watch>, sample: &Sample, chosen: &Chosen) -> anyhow::Result<()> {
    let with_counters = |namespace: &&RecordedNamespace| {
        chosen.includes(namespace.inode) && !namespace.part.counters[0].is_empty()
    };
    for namespace in sample.namespaces.iter().filter(with_counters) {
        match watches.iter_mut().find(|watch| watch.namespace.inode == namespace.inode) {
            Some(watch) => watch.take(namespace, sample.clocks)?,
            None => watches.push(Watch::recorded(namespace, sample.clocks)?),
        }
    }
    Ok(())
}

/// Says what is wrong with the recording, if something is.
fn is_damaged(walk: &Walk<'_, File>, path: &Path) -> bool {
    if let Some(damage) = walk.damage() {
        complain(path, damage);
    }
    walk.damage().is_some()
}

/// The samples that end intervals.
struct Intervals {
    grid: Grid,
    pace: Pace,
    left: Option<u64>,
}

impl Intervals {
    /// Goes to the next one; false where there is none, or none is wanted any more.
    fn next(&mut self, walk: &mut Walk<'_, File>, interrupt: &Interrupt) -> bool {
        self.left = self.left.map(|left| left - 1);
        while self.left != Some(0) && walk.advance() {
            if self.pace.wait(walk.sample().clocks.monotonic_ns, interrupt) {
                return false;
            }
            if self.grid.ends_with(walk.sample(), walk.is_last()) {
                return true;
            }
        }
        false
    }
}
