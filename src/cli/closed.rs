//! `tcpdiag closed`.

use std::cell::RefCell;
use std::io::{self, BufWriter, Stdout};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use clap::Args;

use super::exit::{Exit, configuration, eprint_line, reader_left};
use super::expression::FilterArgs;
use super::output::{Colour, Format, at_least_one, width};
use super::peer_names::NamesArgs;
use super::recording_args::{SpanArgs, complain};
use super::repeat::interval;
use super::warnings::Warnings;
use crate::config::Config;
use crate::identity::{Grouping, ServiceRegistry};
use crate::monitor::{FilterNames, NameSource};
use crate::output::{
    ClosedForm, ClosedWriter, Column, LineLayout, OutputWriter, all_closed_columns, escape,
    find_closed_column, human, list_closed_columns, summary,
};
use crate::procfs::{PeerNames, PortNames, Scope};
use crate::recording::NamespaceChoice;
use crate::report::{ClosedEnd, ClosedOptions, ClosedRun, ClosedSink, Connection, Quality};
use crate::sys::{Interrupt, terminal_size};
use crate::text;

/// Show each connection as it ends: end points, service, lifetime, bytes, retransmits, how it ended.
///
/// Reads the kernel's destroy events, which any user may receive, and needs neither BPF nor root.
/// Polls once per interval show who holds a connection and when it began: one that begins and ends
/// between two polls has a line too, with the service of its port and without a process. One that
/// was reset while its program holds it on has its line when two polls have not shown it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tcpdiag closed                                until interrupted
  tcpdiag closed --port 443 -n 20               the next 20 connections of this port
  tcpdiag closed 'total_retrans > 0 or rtt > 100ms'
  tcpdiag closed --role client --duration 1m -o csv
  tcpdiag closed -o jsonl | jq -c 'select(.end != \"closed\") | [.service, .end]'
  tcpdiag closed --read incident.pcapng.zst --from +5m

How it ended: `closed` after a FIN that the peer acknowledged, `reset` by either end, `timeout`
without an answer, `refused` by a reset in answer to its SYN, else `unknown`. Lifetimes are as exact
as the interval: `<1s` began and ended within it, `>9s` began before the first poll. The state that
an expression selects is the last that a poll has shown, CLOSE where none has.")]
pub(super) struct ClosedCommand {
    #[command(flatten)]
    filter: FilterArgs,

    /// Time between polls, which show processes and beginnings; at the end of each, lines appear.
    #[arg(long, short = 'i', value_name = "TIME", value_parser = interval, default_value = "1s", conflicts_with = "read", help_heading = "Watching")]
    interval: Duration,

    /// End after this time; of a recording, read this much.
    #[arg(long, value_name = "TIME", value_parser = interval, help_heading = "Watching")]
    duration: Option<Duration>,

    /// End after this many connections.
    #[arg(long, short = 'n', value_name = "N", value_parser = at_least_one, help_heading = "Watching")]
    limit: Option<u64>,

    /// Do not receive the kernel's destroy events: only what polls show is left, without last figures.
    #[arg(long, help_heading = "Watching")]
    no_events: bool,

    /// Form of the output; json and jsonl are the same here.
    #[arg(long, short, value_enum, default_value_t = Format::Table, value_name = "FORMAT", help_heading = "Output")]
    output: Format,

    /// Columns to show, separated by commas; `--columns help` lists them all.
    #[arg(long, value_name = "A,B,C", value_delimiter = ',', help_heading = "Output")]
    columns: Vec<String>,

    /// Show all usual columns, however wide the terminal is.
    #[arg(long, short = 'w', conflicts_with = "columns", help_heading = "Output")]
    wide: bool,

    #[command(flatten)]
    names: NamesArgs,

    /// Leave out the header line.
    #[arg(long, help_heading = "Output")]
    no_header: bool,

    /// When to use colours.
    #[arg(long, value_enum, default_value_t = Colour::Auto, value_name = "WHEN", help_heading = "Output")]
    color: Colour,

    /// Exit with 3 when events were lost, or something could not be read or was hidden.
    #[arg(long, help_heading = "Output")]
    strict: bool,

    /// Read this configuration file instead of the usual ones.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    span: SpanArgs,
}

impl ClosedCommand {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        if matches!(self.columns.as_slice(), [only] if only == "help" || only == "list") {
            let mut out = OutputWriter::standard();
            list_closed_columns(&mut out)?;
            out.flush()?;
            return Ok(Exit::Done);
        }
        let form = self.form()?;
        let ports = PortNames::load();
        if !self.span.is_given() {
            self.filter.report_absent_processes();
        }
        let recorded = self.span.session(&self.filter.netns)?;
        let choice = NamespaceChoice::default();
        let source = match &recorded {
            Some((session, _)) => NameSource::Recording(session.sample(), &choice),
            None => NameSource::Host(&self.filter.netns),
        };
        let connections = self.filter.expression(&FilterNames { ports: &ports, source })?;
        if connections.needs().program {
            bail!("no event shows which ports the kernel chose, as `autobound` asks");
        }
        let Config { services, hosts, .. } = configuration(self.config.as_deref())?;
        let names = self.names.load(|| anyhow::Ok(hosts))?;
        let registry = ServiceRegistry::new(services, Grouping::Service, ports);
        let options = ClosedOptions {
            connections,
            netns: self.filter.netns.clone(),
            interval: self.interval,
            duration: self.duration,
            owners: if self.filter.all_owners { Scope::All } else { Scope::First },
            has_events: !self.no_events,
        };
        let interrupt = Interrupt::install()?;
        let lines = Rc::new(RefCell::new(Lines::new(ClosedWriter::new(form), self.limit, names)));
        let begun = Instant::now();
        let sink = Rc::clone(&lines);
        let name = recorded.as_ref().map(|(session, _)| session.name().to_owned());
        let run = match recorded {
            Some((session, pace)) => ClosedRun::replay(options, registry, sink, session, pace),
            None => ClosedRun::live(options, registry, sink),
        };
        let mut run = run.map_err(|error| match &name {
            Some(name) => anyhow::Error::from(error).context(name.clone()),
            None => error.into(),
        })?;
        let started = lines.borrow_mut().begin();
        let is_left = reader_left(started)?;
        self.watch(&mut run, &lines, &interrupt, is_left)?;
        let damaged = run.session().is_some_and(complain);
        let mut lines = lines.borrow_mut();
        run.report_limits(&mut lines.quality);
        reader_left(lines.end())?;
        if lines.shown == 0 && interrupt.is_asked() && run.polls < 2 {
            return Ok(Exit::Interrupted);
        }
        self.report(&lines, begun.elapsed());
        let is_partial = damaged || lines.quality.is_partial();
        Ok(if self.strict && is_partial { Exit::Partial } else { Exit::Done })
    }

    /// Polls until the end.
    fn watch(
        &self,
        run: &mut ClosedRun<Lines>,
        lines: &RefCell<Lines>,
        interrupt: &Interrupt,
        mut is_left: bool,
    ) -> anyhow::Result<()> {
        let mut warnings = Warnings::default();
        loop {
            for reason in run.take_missing_events() {
                eprint_line(format_args!(
                    "tcpdiag: {reason}; shown is what polls show: connections that a poll has \
                     seen, without their last figures and how they ended"
                ));
            }
            let quality = lines.borrow().quality.clone();
            warnings.print(summary::warnings(&quality));
            warnings.print(lost(&quality));
            if is_left || lines.borrow().is_full() || !run.advance(interrupt)? {
                // Rows of the last poll are still to be written.
                return reader_left(lines.borrow_mut().flush()).map(drop);
            }
            is_left = reader_left(lines.borrow_mut().flush())?;
        }
    }

    /// The closing lines.
    fn report(&self, lines: &Lines, took: Duration) {
        let mut time = String::new();
        human::microseconds(took.as_micros() as u64, &mut time);
        let mut line = format!("{} ended", human::counted(lines.shown, "connection"));
        if !self.span.is_given() {
            line.push_str(" in ");
            line.push_str(&time);
        }
        if lines.is_full() {
            line.push_str(", stopped at the limit");
        }
        eprint_line(line);
        if let Some(lost) = lost(&lines.quality) {
            eprint_line(format_args!("tcpdiag: {lost}"));
        }
        let dropped = lines.writer.dropped();
        if !dropped.is_empty() {
            let columns = dropped.join(", ");
            eprint_line(format_args!("not shown in {} columns: {columns}; -w shows all", width()));
        }
    }

    fn form(&self) -> anyhow::Result<ClosedForm> {
        if matches!(self.output, Format::Json | Format::Jsonl) && !self.columns.is_empty() {
            bail!(
                "--columns does not go with -o json or jsonl, which hold everything; use -o csv or tsv, or jq"
            );
        }
        let columns = self.columns.iter().map(|name| column(name.trim()));
        let columns: Vec<Column> = columns.collect::<anyhow::Result<_>>()?;
        let header = !self.no_header;
        Ok(match self.output {
            Format::Table => {
                let is_limited = !self.wide && columns.is_empty();
                let size = terminal_size();
                let layout = LineLayout {
                    width: is_limited.then(width),
                    screen: size.map(|(_, rows)| usize::from(rows)),
                    header,
                    shorten: is_limited && size.is_some(),
                    style: self.color.style(),
                };
                let many_namespaces = self.filter.has_many_namespaces();
                let processes = self.filter.asks_for_owners();
                ClosedForm::Table { columns, layout, many_namespaces, processes }
            }
            Format::Json | Format::Jsonl => ClosedForm::JsonLines,
            Format::Csv => ClosedForm::Delimited { delimiter: b',', columns, header },
            Format::Tsv => ClosedForm::Delimited { delimiter: b'\t', columns, header },
        })
    }
}

/// What is missing because the kernel dropped events.
fn lost(quality: &Quality) -> Option<String> {
    let lost = quality.events_lost;
    let lost = (lost > 0).then(|| human::grouped(lost))?;
    Some(format!(
        "{lost} destroy events were lost: as many connections, or their last figures, may be missing"
    ))
}

fn column(name: &str) -> anyhow::Result<Column> {
    find_closed_column(name).with_context(|| {
        let near = text::nearest(name, all_closed_columns().map(|column| column.name));
        let hint = near.map_or_else(String::new, |near| format!("; did you mean '{near}'?"));
        format!("unknown column '{}'{hint} (`--columns help` lists them all)", escape::text(name))
    })
}

/// Where lines go.
struct Lines {
    writer: ClosedWriter,
    out: OutputWriter<BufWriter<Stdout>>,
    limit: Option<u64>,
    names: Option<PeerNames>,
    shown: u64,
    quality: Quality,
    error: Option<io::Error>,
}

impl Lines {
    fn new(writer: ClosedWriter, limit: Option<u64>, names: Option<PeerNames>) -> Self {
        let out = OutputWriter::standard();
        Self { writer, out, limit, names, shown: 0, quality: Quality::default(), error: None }
    }

    fn begin(&mut self) -> io::Result<()> {
        self.writer.begin(&mut self.out)?;
        self.flush()
    }

    fn is_full(&self) -> bool {
        self.limit.is_some_and(|limit| self.shown >= limit)
    }

    /// Writes out what polls have delivered.
    fn flush(&mut self) -> io::Result<()> {
        match self.error.take() {
            Some(error) => Err(error),
            None => self.out.flush(),
        }
    }

    fn end(&mut self) -> io::Result<()> {
        let end = ClosedEnd::new(self.shown, &self.quality);
        self.writer.end(&mut self.out, &end)?;
        self.flush()
    }
}

impl ClosedSink for Lines {
    fn row(&mut self, row: &Connection<'_>) {
        if self.is_full() || self.error.is_some() {
            return;
        }
        self.shown += 1;
        let names = self.names.as_ref();
        let name = names.and_then(|names| names.name(row.socket.remote.address));
        let row = Connection { remote_name: name.as_deref(), ..*row };
        self.error = self.writer.row(&mut self.out, &row).err();
    }

    fn poll_ended(&mut self, quality: &Quality) {
        self.quality.add(quality.clone());
    }
}
