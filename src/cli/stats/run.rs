//! Shows counters, once or repeatedly, or compares them with a baseline.

use std::io::{self, BufWriter, Stdout};
use std::path::Path;

use anyhow::Context as _;

use super::StatsCommand;
use crate::cli::exit::{Exit, configuration, eprint_line, eprint_wrapped, reader_left};
use crate::cli::recording_args::complain;
use crate::cli::table_args::Form;
use crate::cli::warnings::Warnings;
use crate::counters::{CounterWidth, Counters, Selection};
use crate::history::{BASELINE, HistoryError, Origin, Reading, exchange, load, save};
use crate::monitor::{CounterWatch, CounterWatches, IntervalSchedule, WallClockStep};
use crate::output::{
    OutputWriter, StatsWriter, comparison, comparison_csv, comparison_jsonl, json_line,
    stats_summary,
};
use crate::procfs::Host;
use crate::recording::Session;
use crate::report::{Basis, ComparisonDocument, Past, Stats, StatsReporter};
use crate::sys::{Interrupt, Usage};

/// Changes of a comparison shown without --all.
const FIRST: usize = 25;

pub(super) fn run(command: &StatsCommand) -> anyhow::Result<Exit> {
    let usage = Usage::now();
    let baseline = command.against.as_deref().map(load).transpose().context("--against")?;
    let (watches, host, width) = match command.span.session(&command.netns)? {
        None => {
            let watches = CounterWatches::live(&command.netns, command.repeat.ticks())?;
            (watches, Host::this(), CounterWidth::of_this_host())
        }
        Some((session, pace)) => {
            let (host, first) = (session.host(), session.sample());
            let width = CounterWidth::of_machine(&first.host.machine);
            let schedule = IntervalSchedule::new(command.repeat.interval, None, first);
            let count = command.repeat.count;
            (CounterWatches::replay(session, pace, schedule, count)?, host, width)
        }
    };
    if let Some(baseline) = baseline {
        return compare(command, &baseline, watches, &host, width, usage);
    }
    let config = configuration(command.config.as_deref())?;
    let selection = selection(command, watches.watches.first())?;
    if !selection.not_here.is_empty() {
        eprint_line(format_args!(
            "tcpdiag: this kernel does not count {}",
            selection.not_here.join(", ")
        ));
    }
    if !selection.unread.is_empty() {
        eprint_line(format_args!(
            "tcpdiag: not known, because it could not be read: {}",
            selection.unread.join(", ")
        ));
    }
    let threshold = |ratio: &_| config.threshold(ratio);
    let rare = config.limits().rare_events();
    let reporter =
        StatsReporter { host: &host, threshold: &threshold, rare, selection: &selection, width };
    show(command, &reporter, watches, usage)
}

/// Shows all samples.
fn show(
    command: &StatsCommand,
    reporter: &StatsReporter<'_>,
    mut watches: CounterWatches,
    usage: Usage,
) -> anyhow::Result<Exit> {
    let mut output = Output::new(command, reporter, watches.watches.len() > 1);
    // A baseline is saved, and what is missing counts, whether or not somebody reads the rest.
    reader_left(show_samples(command, &mut output, &mut watches, usage))?;
    if let (Some(path), [watch]) = (&command.save, &watches.watches[..]) {
        keep(path, watch, reporter.host)?;
    }
    let damaged = watches.session().is_some_and(complain);
    Ok(if command.strict && (output.partial || damaged) { Exit::Partial } else { Exit::Done })
}

fn show_samples(
    command: &StatsCommand,
    output: &mut Output<'_>,
    watches: &mut CounterWatches,
    usage: Usage,
) -> anyhow::Result<()> {
    if command.repeat.interval.is_some() {
        let interrupt = Interrupt::install()?;
        output.first(watches, usage)?;
        let mut samples = 1;
        while let Some(usage) = watches.next_interval(&interrupt)? {
            output.show_all(watches, Basis::Interval, usage)?;
            samples += 1;
        }
        output.close(&watches.watches, samples, usage)
    } else if watches.session().is_some() {
        watches.take_last()?;
        output.show_all(watches, Basis::WholeRun, usage)
    } else {
        output.first(watches, usage)
    }
}

/// Saves the last reading as a baseline.
fn keep(path: &Path, watch: &CounterWatch, host: &Host) -> anyhow::Result<()> {
    let reading = Reading::new(BASELINE, Origin::of(watch, host), &watch.now);
    save(path, &reading).context("--save")?;
    let (count, path) = (reading.counters.len(), path.display());
    eprint_line(format_args!("tcpdiag: saved {count} counters to {path}"));
    Ok(())
}

/// Selects among the counters of the namespaces.
fn selection(command: &StatsCommand, watch: Option<&CounterWatch>) -> anyhow::Result<Selection> {
    let none = Counters::default();
    let counters = watch.map_or(&none, |watch| &watch.now);
    Ok(Selection::new(&command.names, command.all, counters)?)
}

/// Shows the last reading beside a baseline.
fn compare(
    command: &StatsCommand,
    baseline: &Reading,
    mut watches: CounterWatches,
    host: &Host,
    width: CounterWidth,
    usage: Usage,
) -> anyhow::Result<Exit> {
    watches.take_last()?;
    let damaged = watches.session().is_some_and(complain);
    let watch = watches.watches.first().with_context(|| match watches.session() {
        Some(session) => format!("{}: no counters in it", session.name()),
        None => "there is no network namespace".to_owned(),
    })?;
    let selection = selection(command, Some(watch))?;
    let document = ComparisonDocument::new(baseline, watch, host, width, &selection, usage);
    let mut out = OutputWriter::standard();
    let written = match command.table.output {
        Form::Table => {
            let limit = if command.all { usize::MAX } else { FIRST };
            comparison(&mut out, &document, limit, command.table.layout())
        }
        Form::Json => json_line(&mut out, &document),
        Form::Jsonl => comparison_jsonl(&mut out, &document),
        Form::Csv => comparison_csv(&mut out, &document),
    };
    reader_left(written.and_then(|()| out.flush()))?;
    let quality = &document.quality;
    quality.warnings().iter().for_each(|warning| eprint_line(format_args!("tcpdiag: {warning}")));
    let partial = quality.is_partial() || damaged;
    Ok(if command.strict && partial { Exit::Partial } else { Exit::Done })
}

/// Where samples go.
struct Output<'a> {
    command: &'a StatsCommand,
    reporter: &'a StatsReporter<'a>,
    writer: StatsWriter<'a>,
    out: OutputWriter<BufWriter<Stdout>>,
    partial: bool,
    warnings: Warnings,
}

impl<'a> Output<'a> {
    fn new(command: &'a StatsCommand, reporter: &'a StatsReporter<'a>, many: bool) -> Self {
        let (form, selection) = (command.table.output, reporter.selection);
        Self {
            command,
            reporter,
            writer: StatsWriter { form, selection, many, has_titles: false },
            out: OutputWriter::standard(),
            partial: false,
            warnings: Warnings::default(),
        }
    }

    /// Writes the first sample of each namespace: totals, and for a single sample the changes since
    /// the last run.
    fn first(&mut self, watches: &mut CounterWatches, usage: Usage) -> anyhow::Result<()> {
        let with_history = self.command.repeat.interval.is_none() && !self.command.no_history;
        let mut unreachable = watches.take_unreachable();
        for watch in &watches.watches {
            let (before, trouble) = if with_history {
                last_run(watch, self.reporter.host, self.command.reset)
            } else {
                (None, None)
            };
            let past = before.as_ref().map_or(Past::Nothing, Past::LastRun);
            let mut sample = self.reporter.report(watch, past, usage);
            sample.quality.history = trouble;
            sample.quality.common.permission_limited.append(&mut unreachable);
            self.show(&sample)?;
        }
        Ok(self.out.flush()?)
    }

    /// Writes the growth in each namespace, since its first sample or in the last interval.
    fn show_all(
        &mut self,
        watches: &mut CounterWatches,
        basis: Basis,
        usage: Usage,
    ) -> anyhow::Result<()> {
        let mut unreachable = watches.take_unreachable();
        for watch in &watches.watches {
            let past = match (&watch.previous, basis) {
                (Some(previous), Basis::Interval) => Past::Sample(basis, &watch.before, previous),
                (Some(_), _) => Past::Sample(basis, &watch.first, &watch.began),
                (None, Basis::Interval) => continue,
                (None, _) => Past::Nothing,
            };
            let mut sample = self.reporter.report(watch, past, usage);
            sample.quality.common.permission_limited.append(&mut unreachable);
            let steps = watches.session().map(Session::clock_steps).unwrap_or_default();
            sample.quality.common.clock_steps = steps.iter().map(WallClockStep::from).collect();
            self.show(&sample)?;
        }
        Ok(self.out.flush()?)
    }

    /// Writes one sample.
    fn show(&mut self, sample: &Stats<'_>) -> io::Result<()> {
        self.partial |= sample.quality.is_partial();
        self.writer.write(&mut self.out, sample, self.command.table.layout())?;
        let warnings = sample.quality.warnings();
        if !warnings.is_empty() {
            // Warnings are printed after the output that they refer to.
            self.out.flush()?;
        }
        self.warnings.print(warnings);
        Ok(())
    }

    /// Writes the summary of a repeated run: the whole run as one interval, and a closing line.
    fn close(
        &mut self,
        watches: &[CounterWatch],
        samples: u64,
        usage: Usage,
    ) -> anyhow::Result<()> {
        let reports: Vec<Stats<'_>> = watches
            .iter()
            .map(|watch| {
                let past = Past::Sample(Basis::WholeRun, &watch.first, &watch.began);
                self.reporter.report(watch, past, usage)
            })
            .collect();
        // With two samples, the whole run is the interval that was just shown.
        if self.command.table.output == Form::Table && samples > 2 {
            for report in &reports {
                self.writer.table(&mut self.out, report, self.command.table.layout())?;
            }
        }
        self.out.flush()?;
        eprint_wrapped(stats_summary(&reports, samples));
        Ok(())
    }
}

/// Stores this run's reading and returns the last one. Reports errors, with advice if the remedy is
/// not obvious.
fn last_run(watch: &CounterWatch, host: &Host, forget: bool) -> (Option<Reading>, Option<String>) {
    match exchange(watch, host, forget) {
        Ok(before) => (before, None),
        Err(error @ HistoryError::Foreign { .. }) => {
            (None, Some(format!("{error}; remove it, or use --no-history")))
        }
        Err(error) => (None, Some(format!("{error}; --no-history does without"))),
    }
}
