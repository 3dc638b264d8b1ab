//! Intervals, one after the other.

use std::io::{self, BufWriter, Stdout};

use anyhow::{Context as _, Error, bail};

use super::ServicesCommand;
use crate::attribution::{EarlyPolls, ServiceInterval, ServiceWatch, ServiceWatchOptions};
use crate::cli::exit::{Exit, configuration, eprint_line, eprint_wrapped, reader_left};
use crate::cli::expression::WhichArgs;
use crate::cli::lines::report_dropped;
use crate::cli::recording_args::complain;
use crate::cli::table_args::Form;
use crate::cli::warnings::Warnings;
use crate::counters::{Counters, Selection};
use crate::filter::Expr;
use crate::identity::ServiceRegistry;
use crate::monitor::{CounterWatch, FilterNames, MonitorError, NameSource, Quality};
use crate::output::{
    OutputWriter, SampleLines, SampleSubject, ServicesWriter, human, services_summary, summary,
};
use crate::procfs::PortNames;
use crate::recording::Sample;
use crate::report::ChosenService;
use crate::socket_diag::EventOptions;
use crate::sys::{Interrupt, give_memory_back, is_error_terminal, is_terminal};

pub(super) fn run(command: &ServicesCommand) -> anyhow::Result<Exit> {
    let config = configuration(command.config.as_deref())?;
    let recorded = command.span.session(&command.netns)?;
    let here = match &recorded {
        Some((session, _)) => counters(session.sample()),
        None => crate::counters::read(&crate::sys::own_counters()).unwrap_or_default(),
    };
    let selection = selection(&command.counter, &here)?;
    let (service, which) = chosen(command)?;
    if service.is_some() && command.table.output != Form::Table {
        bail!("--lines is a table; -o json, jsonl and csv have rows of all services");
    }
    let interrupt = Interrupt::install()?;
    give_memory_back();
    let ports = PortNames::load();
    let source = match &recorded {
        Some((session, _)) => NameSource::Recording(session.sample(), session.choice()),
        None => NameSource::Host(&command.netns),
    };
    let sockets = which.expression(&FilterNames { ports: &ports, source })?;
    if let Some(changing) = sockets.changing() {
        bail!(
            "services: a filter by {changing} would change while connections are watched; accepted \
             are end points, role, service, process, unit, container, cgroup, user and interface"
        );
    }
    let registry = ServiceRegistry::new(config.services, command.by, ports);
    let options = options(command, recorded.is_some(), selection.clone(), sockets)?;
    let name = recorded.as_ref().map(|(session, _)| session.name().to_owned());
    let named = |error: MonitorError| match (error, &name) {
        (MonitorError::Store(error), _) => Error::from(error).context("--record"),
        (error, Some(name)) => Error::from(error).context(name.clone()),
        (error, None) => error.into(),
    };
    let mut output = Output::new(command, selection, service.as_deref());
    let watch = match recorded {
        Some((session, pace)) => {
            output.writer.is_redrawn &= pace.is_given();
            ServiceWatch::replay(options, registry, session, pace)
        }
        None => ServiceWatch::live(options, registry),
    };
    let mut watch = watch.map_err(named)?;
    output.report_missing_events(&mut watch);
    if name.is_none() && is_error_terminal() {
        let mut time = String::new();
        human::microseconds(command.interval().as_micros() as u64, &mut time);
        eprint_line(format_args!("watching for {time}; Ctrl-C shows what was seen until then"));
    }
    let mut seen = Quality::default();
    while let Some(interval) = watch.next_interval(&interrupt).map_err(named)? {
        seen.add(interval.quality.clone());
        if reader_left(output.show(&interval, &watch))? {
            let damaged = watch.session().is_some_and(complain);
            // What is recorded so far is kept.
            watch.finish().map_err(named)?;
            return Ok(exit(command, seen.is_partial() || damaged));
        }
        output.report_missing_events(&mut watch);
    }
    let damaged = watch.session().is_some_and(complain);
    let Some(whole) = watch.finish().map_err(named)? else { return Ok(Exit::Interrupted) };
    if watch.intervals > 1 && reader_left(output.show(&whole, &watch))? {
        return Ok(exit(command, whole.quality.is_partial() || damaged));
    }
    eprint_wrapped(services_summary(&whole, watch.intervals, name.is_some()));
    let partial = whole.quality.is_partial() || damaged;
    Ok(exit(command, partial))
}

fn exit(command: &ServicesCommand, is_partial: bool) -> Exit {
    if command.strict && is_partial { Exit::Partial } else { Exit::Done }
}

/// The options of the engine.
fn options(
    command: &ServicesCommand,
    is_replay: bool,
    selection: Option<Selection>,
    sockets: Expr,
) -> anyhow::Result<ServiceWatchOptions> {
    let receive_buffer = usize::try_from(command.event_buffer)?;
    let events = EventOptions { receive_buffer, ..EventOptions::default() };
    // A recording has its own intervals, and an end.
    let own = command.interval.or(command.duration);
    Ok(ServiceWatchOptions {
        netns: command.netns.clone(),
        interval: if is_replay { own } else { Some(command.interval()) },
        count: command.count().filter(|_| !is_replay || command.is_bounded()),
        duration: command.duration,
        events: (!command.no_events).then_some(events),
        selection,
        sockets,
        early: EarlyPolls { every: command.watch.0, cpu_budget: command.cpu_budget },
        record: command.record.clone(),
    })
}

/// The service that `--lines` shows, and which sockets.
fn chosen(command: &ServicesCommand) -> anyhow::Result<(Option<String>, WhichArgs)> {
    if !command.lines {
        return Ok((None, command.which.clone()));
    }
    let Some((service, which)) = command.which.split_name() else {
        bail!("--lines needs a SERVICE, as in `tcpdiag services nginx -i 1s --lines`");
    };
    Ok((Some(service), which))
}

/// What `--counter` selects among these; `None` if it is not given.
fn selection(names: &[String], here: &Counters) -> anyhow::Result<Option<Selection>> {
    if names.is_empty() {
        return Ok(None);
    }
    let selection = Selection::new(names, false, here).context("--counter")?;
    if !selection.not_here.is_empty() {
        let names = selection.not_here.join(", ");
        eprint_line(format_args!("tcpdiag: this kernel does not count {names}"));
    }
    if !selection.unread.is_empty() {
        let names = selection.unread.join(", ");
        eprint_line(format_args!("tcpdiag: not known, because it could not be read: {names}"));
    }
    Ok(Some(selection))
}

/// The counters of a sample's first namespace; none if the first poll will report why.
fn counters(sample: &Sample) -> Counters {
    let first = sample.namespaces.first();
    let watch = first.and_then(|it| CounterWatch::recorded(it, sample.clocks).ok());
    watch.map(|watch| watch.now).unwrap_or_default()
}

/// Where intervals go.
struct Output<'a> {
    command: &'a ServicesCommand,
    writer: ServicesWriter,
    out: OutputWriter<BufWriter<Stdout>>,
    warnings: Warnings,
    lines: Option<ServiceLines>,
}

impl<'a> Output<'a> {
    fn new(
        command: &'a ServicesCommand,
        selection: Option<Selection>,
        service: Option<&str>,
    ) -> Self {
        let form = command.table.output;
        let writer = ServicesWriter {
            form,
            selection,
            all: command.all,
            top: command.top.map(|top| usize::try_from(top).unwrap_or(usize::MAX)),
            order: command.sort,
            is_redrawn: command.count() != Some(1)
                && !command.lines
                && form == Form::Table
                && is_terminal(),
            has_titles: false,
        };
        let out = OutputWriter::standard();
        let lines = service.map(|service| ServiceLines {
            service: ChosenService::new(service),
            lines: SampleLines::new(SampleSubject::Service, command.table.lines()),
        });
        Self { command, writer, out, warnings: Warnings::default(), lines }
    }

    /// Writes an interval, and reports what is missing in it, each thing once.
    fn show(&mut self, interval: &ServiceInterval, watch: &ServiceWatch) -> io::Result<()> {
        match &mut self.lines {
            Some(lines) => lines.show(&mut self.out, interval, watch, &mut self.warnings)?,
            None => {
                let layout = self.command.table.layout();
                let names = watch.registry();
                self.writer.write(&mut self.out, interval, &watch.host, names, layout)?;
            }
        }
        self.warnings.print(summary::warnings(&interval.quality));
        Ok(())
    }

    /// Names the namespaces that have no destroy events although they were asked for.
    fn report_missing_events(&self, watch: &mut ServiceWatch) {
        for reason in watch.take_missing_events() {
            eprint_line(format_args!(
                "tcpdiag: {reason}; short connections stay unseen from here on"
            ));
        }
    }
}

/// One line per interval, of one service.
struct ServiceLines {
    service: ChosenService,
    lines: SampleLines,
}

impl ServiceLines {
    fn show(
        &mut self,
        out: &mut OutputWriter<BufWriter<Stdout>>,
        interval: &ServiceInterval,
        watch: &ServiceWatch,
        warnings: &mut Warnings,
    ) -> io::Result<()> {
        if interval.is_whole_run {
            report_dropped(&self.lines);
            return Ok(());
        }
        let line = self.service.line(interval, watch.registry());
        if line.is_none() {
            warnings.print([self.service.missing(interval, watch.registry())]);
        }
        self.lines.write(out, &line.unwrap_or_else(|| ChosenService::nothing(interval)))
    }
}
