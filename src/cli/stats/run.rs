//! Showing counters, once or repeatedly.

use std::io::{self, BufWriter, Write};

use anyhow::Context as _;

use super::StatsCommand;
use super::history;
use super::replay;
use super::selection::Selection;
use super::tell::{Past, Telling};
use super::watch::Watch;
use crate::cli::config::Config;
use crate::cli::exit::Exit;
use crate::cli::look::{Form, LookArgs};
use crate::cli::scene::{is_all, places};
use crate::counters::{CounterWidth, Counters};
use crate::history::{BASELINE, Reading, save};
use crate::output::{Look, human, json_line, stats};
use crate::procfs::Host;
use crate::report::{Basis, CounterRow, Stats, StatsEnd, StatsLine};
use crate::sys::{Interrupt, Usage};

/// How a sample is written.
pub(super) struct Output<'a> {
    args: LookArgs,
    selection: &'a Selection,
    /// More than one namespace: each is headed by its name.
    many: bool,
    out: BufWriter<io::Stdout>,
    csv_headed: bool,
    pub(super) partial: bool,
    /// Warnings that were said already.
    said: Vec<String>,
}

pub(super) fn run(command: &StatsCommand) -> anyhow::Result<Exit> {
    let mut usage = Usage::now();
    let config = Config::load(command.config.as_deref())?;
    if command.save.is_some() {
        command.one_namespace("--save")?;
    }
    if let Some(recording) = command.span.recording()? {
        return replay::run(command, &config, recording);
    }
    let host = Host::this();
    let (mut watches, unreachable) = open(&command.netns)?;
    let selection = selection(command, watches.first())?;
    let telling = Telling {
        host: &host,
        config: &config,
        selection: &selection,
        width: CounterWidth::of_machine(&rustix::system::uname().machine().to_string_lossy()),
    };
    let mut output = Output::new(command, &selection, watches.len() > 1);
    output.first(command, &telling, &watches, unreachable, usage)?;
    keep(command, &host, &watches)?;
    if command.repeat.interval.is_some() {
        let interrupt = Interrupt::install()?;
        let mut ticks = command.repeat.ticks();
        let mut samples = 1_u64;
        while ticks.wait(&interrupt) {
            usage = Usage::now();
            watches.iter_mut().try_for_each(Watch::sample)?;
            output.interval(&telling, &watches, usage)?;
            samples += 1;
        }
        output.close(&telling, &watches, samples, usage)?;
    }
    Ok(if command.strict && output.partial { Exit::Partial } else { Exit::Done })
}

/// Saves the last reading, where that is asked for.
pub(super) fn keep(command: &StatsCommand, host: &Host, watches: &[Watch]) -> anyhow::Result<()> {
    if let (Some(path), [watch]) = (&command.save, watches) {
        let reading = Reading::new(BASELINE, watch.origin(host), &watch.now);
        save(path, &reading).context("--save")?;
        let (count, path) = (reading.counters.len(), path.display());
        eprintln!("tcpdiag: saved {count} counters to {path}");
    }
    Ok(())
}

/// Opens the namespaces; of `all` those that can be entered.
fn open(specs: &[String]) -> anyhow::Result<(Vec<Watch>, Vec<String>)> {
    let (places, mut unreachable) = places(specs)?;
    if !is_all(specs) {
        return Ok((places.iter().map(Watch::open).collect::<anyhow::Result<_>>()?, unreachable));
    }
    let mut watches = Vec::new();
    for place in &places {
        match Watch::open(place) {
            Ok(watch) => watches.push(watch),
            Err(error) => unreachable.push(format!("{error:#}")),
        }
    }
    if watches.is_empty() {
        anyhow::bail!("no network namespace could be entered: {}", unreachable.join("; "));
    }
    Ok((watches, unreachable))
}

/// What is asked for of what a namespace counts.
pub(super) fn selection(
    command: &StatsCommand,
    watch: Option<&Watch>,
) -> anyhow::Result<Selection> {
    let none = Counters::default();
    let counters = watch.map_or(&none, |watch| &watch.now);
    let selection = Selection::new(&command.names, command.all, counters)?;
    if !selection.not_here.is_empty() {
        eprintln!("tcpdiag: this kernel does not count {}", selection.not_here.join(", "));
    }
    Ok(selection)
}

impl<'a> Output<'a> {
    /// `many` if it is of more than one namespace.
    pub(super) fn new(command: &StatsCommand, selection: &'a Selection, many: bool) -> Self {
        Self {
            args: command.look,
            selection,
            many,
            out: BufWriter::with_capacity(1 << 16, io::stdout()),
            csv_headed: false,
            partial: false,
            said: Vec::new(),
        }
    }

    /// Writes what grew in each namespace since its sample before.
    pub(super) fn interval(
        &mut self,
        telling: &Telling<'_>,
        watches: &[Watch],
        usage: Usage,
    ) -> anyhow::Result<()> {
        for watch in watches {
            let Some(previous) = &watch.previous else { continue };
            let past = Past::Sample(Basis::Interval, &watch.before, previous);
            self.show(&telling.tell(watch, past, usage))?;
        }
        Ok(self.out.flush()?)
    }

    /// Writes each namespace's last sample, against its first where there are more.
    pub(super) fn growth(
        &mut self,
        telling: &Telling<'_>,
        watches: &[Watch],
        usage: Usage,
    ) -> anyhow::Result<()> {
        for watch in watches {
            let past = match &watch.previous {
                Some(_) => Past::Sample(Basis::WholeRun, &watch.first, &watch.began),
                None => Past::Nothing,
            };
            self.show(&telling.tell(watch, past, usage))?;
        }
        Ok(self.out.flush()?)
    }

    /// Writes each namespace's totals.
    pub(super) fn totals(
        &mut self,
        telling: &Telling<'_>,
        watches: &[Watch],
        usage: Usage,
    ) -> anyhow::Result<()> {
        for watch in watches {
            self.show(&telling.tell(watch, Past::Nothing, usage))?;
        }
        Ok(self.out.flush()?)
    }

    /// Writes the first sample of each namespace: totals, and in one shot what changed since
    /// the last run.
    fn first(
        &mut self,
        command: &StatsCommand,
        telling: &Telling<'_>,
        watches: &[Watch],
        unreachable: Vec<String>,
        usage: Usage,
    ) -> anyhow::Result<()> {
        let with_history = command.repeat.interval.is_none() && !command.no_history;
        let mut unreachable = Some(unreachable);
        for watch in watches {
            let (before, trouble) = if with_history {
                history::exchange(watch, telling.host, command.reset)
            } else {
                (None, None)
            };
            let past = before.as_ref().map_or(Past::Nothing, Past::LastRun);
            let mut told = telling.tell(watch, past, usage);
            told.quality.history = trouble;
            told.quality.common.permission_limited.extend(unreachable.take().unwrap_or_default());
            self.show(&told)?;
        }
        Ok(self.out.flush()?)
    }

    /// Writes one sample.
    fn show(&mut self, told: &Stats<'_>) -> anyhow::Result<()> {
        self.partial |= told.quality.is_partial();
        match self.args.output {
            Form::Table => self.table(told)?,
            Form::Json => json_line(&mut self.out, told)?,
            Form::Jsonl => self.lines(told)?,
            Form::Csv => self.csv(told)?,
        }
        let mut warnings = told.quality.warnings();
        warnings.retain(|warning| !self.said.contains(warning));
        if !warnings.is_empty() {
            // What is said comes after what it is about.
            self.out.flush()?;
        }
        warnings.iter().for_each(|warning| eprintln!("tcpdiag: {warning}"));
        self.said.extend(warnings);
        Ok(())
    }

    fn table(&mut self, told: &Stats<'_>) -> anyhow::Result<()> {
        let moved_only = matches!(
            told.since.as_ref().map(|since| since.basis),
            Some(Basis::Interval | Basis::WholeRun)
        );
        let look: Look = self.args.look();
        let (bold, plain) = look.style.heading();
        let mut title = Vec::new();
        if told.basis == Basis::Interval {
            title.push(told.document.captured_at.clone());
        }
        if let (true, Some(netns)) = (self.many, &told.document.netns) {
            let name = netns.name.as_deref().unwrap_or("without a name");
            title.push(format!("network namespace {name} ({})", netns.inode));
        }
        if !title.is_empty() {
            writeln!(self.out, "{bold}{}{plain}", title.join("  "))?;
        }
        let selection = self.selection;
        stats(&mut self.out, told, look, moved_only, |row| selection.shows(row, moved_only))?;
        if self.many || told.since.as_ref().is_some_and(|since| since.basis != Basis::LastRun) {
            writeln!(self.out)?;
        }
        Ok(())
    }

    fn lines(&mut self, told: &Stats<'_>) -> anyhow::Result<()> {
        let captured_at = told.document.captured_at.as_str();
        let netns = told.document.netns.as_ref().map(|netns| netns.inode);
        for row in &told.counters {
            let schema = "tcpdiag.stats.row/1";
            json_line(&mut self.out, &StatsLine { schema, captured_at, netns, row })?;
        }
        for row in &told.ratios {
            let schema = "tcpdiag.stats.ratio/1";
            json_line(&mut self.out, &StatsLine { schema, captured_at, netns, row })?;
        }
        let end = StatsEnd {
            schema: "tcpdiag.stats.end/1",
            captured_at,
            shown: told.counters.len(),
            quality: &told.quality,
            cost: told.cost,
        };
        Ok(json_line(&mut self.out, &end)?)
    }

    fn csv(&mut self, told: &Stats<'_>) -> anyhow::Result<()> {
        let mut writer = csv::Writer::from_writer(&mut self.out);
        if !self.csv_headed {
            let titles =
                ["time", "netns", "name", "category", "kind", "value", "delta", "rate", "note"];
            writer.write_record(titles)?;
            self.csv_headed = true;
        }
        let netns = told.document.netns.as_ref().map(|netns| netns.inode);
        for row in &told.counters {
            let CounterRow { name, category, kind, value, delta, rate, note, .. } = row;
            writer.serialize((
                &told.document.captured_at,
                netns,
                name,
                category,
                kind,
                value,
                delta,
                rate,
                note,
            ))?;
        }
        Ok(writer.flush()?)
    }

    /// The summary of a repeated run: all of it as one interval, and a closing line.
    pub(super) fn close(
        &mut self,
        telling: &Telling<'_>,
        watches: &[Watch],
        samples: u64,
        usage: Usage,
    ) -> anyhow::Result<()> {
        let mut line = format!("{} samples", human::grouped(samples));
        for watch in watches {
            let past = Past::Sample(Basis::WholeRun, &watch.first, &watch.began);
            let told = telling.tell(watch, past, usage);
            // Of two samples the whole run is the one interval that was just shown.
            if self.args.output == Form::Table && samples > 2 {
                self.table(&told)?;
            }
            let took = told.since.as_ref().map_or(0.0, |since| since.seconds);
            let growth = |name: &str| {
                told.counters.iter().find(|row| row.name == name).and_then(|row| row.delta)
            };
            if let (Some(sent), Some(again)) = (growth("TcpOutSegs"), growth("TcpRetransSegs")) {
                let mut time = String::new();
                human::microseconds((took * 1e6) as u64, &mut time);
                line.push_str(&format!(
                    "; in {time} {} segments sent, {} retransmitted",
                    human::grouped(sent.unsigned_abs()),
                    human::grouped(again.unsigned_abs())
                ));
            }
        }
        self.out.flush()?;
        eprintln!("{line}");
        Ok(())
    }
}
