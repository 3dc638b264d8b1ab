//! Running a command that shows sockets, once or repeatedly.

use std::cell::RefCell;
use std::io::Write;
use std::rc::Rc;
use std::time::Instant;

use clap::Args;

use super::exit::{Exit, eprint_line, eprint_wrapped, reader_left};
use super::expression::FilterArgs;
use super::output::{Format, OutputArgs};
use super::recording_args::SampleArgs;
use super::repeat::RepeatArgs;
use super::sockets::{Selected, Wanted};
use super::warnings::Warnings;
use crate::filter::Needs;
use crate::model::StateSet;
use crate::output::{
    Column, ColumnSets, ConnectionOutput, ConnectionWriter, OutputWriter, Owners, Requirements,
    RowOrder, RowSchema, ShownColumns, human, list_columns, summary,
};
use crate::procfs::{PeerNames, capabilities, holders_are_cheap};
use crate::recording::{Sample, localised_short};
use crate::report::{ConnectionPoller, ConnectionTotals, Cost, Document};
use crate::sys::{Interrupt, Usage, is_terminal};

/// What a command shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject {
    pub(super) schema: RowSchema,
    pub(super) columns: ColumnSets,
    /// States when none are asked for.
    pub(super) default_states: StateSet,
    /// States it is about.
    pub(super) only_states: StateSet,
    /// Whether owners are shown without being asked for.
    pub(super) owners: bool,
    /// Whether requests in SYN-RECV are counted.
    pub(super) count_requests: bool,
}

/// Arguments of the commands that show sockets.
#[derive(Debug, Args)]
pub(super) struct SocketArgs {
    #[command(flatten)]
    pub(super) filter: FilterArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
    #[command(flatten)]
    pub(super) repeat: RepeatArgs,
    #[command(flatten)]
    pub(super) recorded: SampleArgs,
}

impl SocketArgs {
    /// Runs the command.
    pub(super) fn run(self, subject: Subject, names: Option<PeerNames>) -> anyhow::Result<Exit> {
        if self.output.wants_column_list() {
            let mut out = OutputWriter::standard();
            list_columns(&mut out)?;
            out.flush()?;
            return Ok(Exit::Done);
        }
        self.output.check()?;
        let begun = Usage::now();
        let repeat = self.repeat;
        let mut session = self.open(subject, names)?;
        let mut ticks = repeat.ticks();
        let mut out = OutputWriter::standard();
        let mut usage = begun;
        loop {
            out = match session.sample(out, usage) {
                Ok(out) => out,
                Err(error) => {
                    // The reader has gone away, or it fails.
                    reader_left(Err::<(), _>(error))?;
                    return Ok(session.exit());
                }
            };
            if session.total.interrupted || !ticks.wait(&session.interrupt) {
                break;
            }
            usage = Usage::now();
        }
        if session.repeats {
            let took = begun.elapsed().wall;
            let line = summary::whole_run(&session.total, session.samples, took);
            eprint_wrapped(line + &summary::not_shown(&session.dropped));
        }
        Ok(session.exit())
    }

    /// Resolves the arguments and opens what they name.
    fn open<W: Write>(
        self,
        subject: Subject,
        names: Option<PeerNames>,
    ) -> anyhow::Result<Session<W>> {
        let repeats = self.repeat.interval.is_some();
        let selected = Selected::new(&self.filter, &self.recorded, repeats)?;
        let needs = &selected.needs;
        let many_namespaces = self.filter.has_many_namespaces();
        let asked = self.filter.asks_for_owners() || needs.owner;
        let is_cheap = self.output.has_usual_columns() && !self.output.strict;
        let owners = match &selected.sample {
            _ if asked || subject.owners => Owners::Asked,
            Some(sample) if is_cheap && !sample.capture => Owners::Cheap,
            None if is_cheap && holders_are_cheap() => Owners::Cheap,
            _ => Owners::No,
        };
        let ShownColumns { shown: columns, dropped } =
            self.output.columns(subject.columns, repeats, many_namespaces, owners)?;
        let shows_process = columns.iter().any(|column| Requirements::is_of_owners(column.name));
        let owners = owners == Owners::Asked || owners == Owners::Cheap && shows_process;
        let sort = self.output.sort()?;
        let sorted = sort.as_ref().map(|(column, _)| std::slice::from_ref(column));
        let withheld = self.withheld(needs, &columns, selected.sample.as_ref());
        let damaged = selected.damaged;
        let wanted =
            self.wanted(Subject { owners, ..subject }, needs, &columns, sorted.unwrap_or_default());
        let (settings, sample) = selected.settings(&self.filter, wanted)?;
        let interrupt = Rc::new(Interrupt::install()?);
        let order = RowOrder { sort, limit: self.output.limit, repeats };
        let rows = Rc::new(RefCell::new(
            ConnectionOutput::new(order, Rc::clone(&interrupt)).with_names(names),
        ));
        let namespaces = &self.filter.netns;
        let poller = ConnectionPoller::open(settings, namespaces, sample, Rc::clone(&rows))?;
        Ok(Session {
            schema: subject.schema,
            output: self.output,
            columns,
            dropped,
            rows,
            poller,
            interrupt,
            repeats,
            damaged,
            withheld,
            before: None,
            samples: 0,
            total: ConnectionTotals::default(),
            warnings: Warnings::default(),
        })
    }

    /// What has to be known to show these columns.
    pub(super) fn wanted(
        &self,
        subject: Subject,
        needs: &Needs,
        columns: &[Column],
        sort: &[Column],
    ) -> Wanted {
        Wanted {
            default_states: subject.default_states,
            only_states: subject.only_states,
            requirements: self.requirements(needs, columns, sort, subject.owners),
            many_namespaces: self.filter.has_many_namespaces(),
            repeats: self.repeat.interval.is_some(),
            count_requests: subject.count_requests,
            counters: false,
            reports_owners: false,
        }
    }

    fn requirements(
        &self,
        needs: &Needs,
        columns: &[Column],
        sort: &[Column],
        owners: bool,
    ) -> Requirements {
        let mut requirements = if self.output.is_structured() || self.output.detail {
            Requirements::everything()
        } else {
            Requirements::of(columns)
        };
        requirements = requirements.with(Requirements::of(sort)).with_filter(needs);
        // CSV columns request owners only if they are named. Names may be headers.
        let is_named = !self.output.columns.is_empty();
        let named = columns.iter().filter(|_| is_named).chain(sort);
        requirements.owners = owners || named.map(|it| it.name).any(Requirements::is_of_owners);
        requirements
    }

    /// What was requested but is hidden from an unprivileged user.
    fn withheld(&self, needs: &Needs, columns: &[Column], sample: Option<&Sample>) -> Vec<String> {
        let mut withheld = Vec::new();
        let is_shown = |sample: &Sample| sample.host.net_admin || sample.capture;
        if sample.map_or_else(capabilities::has_net_admin, is_shown) {
            return withheld;
        }
        let missing =
            sample.map_or_else(capabilities::missing_net_admin, |_| capabilities::NET_ADMIN);
        if self.output.is_structured() {
            withheld.push(capabilities::hidden_attributes(missing));
        } else if needs.mark
            || !self.output.columns.is_empty() && columns.iter().any(|it| it.name == "mark")
        {
            withheld
                .push(format!("mark: {missing} would show it; without, sockets count as unmarked"));
        }
        withheld
    }
}

/// The samples of a command.
struct Session<W: Write> {
    schema: RowSchema,
    output: OutputArgs,
    columns: Vec<Column>,
    /// Headers of columns that do not fit.
    dropped: Vec<String>,
    rows: Rc<RefCell<ConnectionOutput<W>>>,
    poller: ConnectionPoller<ConnectionOutput<W>>,
    interrupt: Rc<Interrupt>,
    repeats: bool,
    /// The recording is damaged behind its sample.
    damaged: bool,
    /// What the user may not see.
    withheld: Vec<String>,
    /// When the sample before was taken.
    before: Option<Instant>,
    samples: u64,
    /// Sums over all samples.
    total: ConnectionTotals,
    warnings: Warnings,
}

impl<W: Write> Session<W> {
    /// The exit code, by all samples so far.
    fn exit(&self) -> Exit {
        if self.total.interrupted && self.total.shown == 0 {
            Exit::Interrupted
        } else if self.output.strict && (self.damaged || self.total.quality.is_partial()) {
            Exit::Partial
        } else {
            Exit::Done
        }
    }

    /// One sample: dump, rows, closing line.
    fn sample(
        &mut self,
        mut out: OutputWriter<W>,
        usage: Usage,
    ) -> anyhow::Result<OutputWriter<W>> {
        let captured_at = self.poller.time();
        let appended = self.repeats && self.output.output == Format::Table;
        let redrawn = appended && is_terminal();
        if appended {
            if redrawn {
                out.clear_screen()?;
            }
            out.line(localised_short(&captured_at))?;
        }
        let at = Instant::now();
        let before = self.before.replace(at);
        let document = Document {
            schema: self.schema.document,
            captured_at: captured_at.clone(),
            host: self.poller.host(),
            netns: self.poller.namespace().cloned(),
            interval_s: before.map(|before| (at - before).as_secs_f64()),
        };
        let form = self.output.form(redrawn, self.samples == 0, self.repeats);
        let writer = ConnectionWriter::begin(out, form, self.schema, &self.columns, &document)?;
        self.rows.borrow_mut().begin(writer, &captured_at);
        let polled = self.poller.poll(at);
        let (written, mut totals) = {
            let mut rows = self.rows.borrow_mut();
            let written = rows.check();
            if written.is_ok() {
                polled?;
            }
            let writer = written.and_then(|()| rows.end());
            (writer, rows.take_totals())
        };
        let quality = &mut totals.quality;
        self.poller.report_limits(quality);
        quality.permission_limited.extend(self.withheld.iter().cloned());
        let used = usage.elapsed();
        let cost = Cost::new(used, totals.listed);
        let ended = written.and_then(|writer| writer.end(totals.shown, quality, cost));
        let (mut out, unseen) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                self.total.add(totals);
                return Err(error.into());
            }
        };
        if appended && !redrawn {
            out.blank()?;
        }
        if let Err(error) = out.flush() {
            self.total.add(totals);
            return Err(error.into());
        }
        if !self.repeats {
            let line = summary::one_sample(&totals, used.wall);
            eprint_wrapped(line + &summary::not_shown(&self.dropped));
        }
        self.warnings.print(summary::warnings(&totals.quality));
        if unseen > 0 {
            let unseen = human::grouped(unseen as u64);
            eprint_line(format_args!("{unseen} more sockets do not fit this terminal"));
        }
        self.samples += 1;
        self.total.add(totals);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        sockets: SocketArgs,
    }

    #[test]
    fn columns_and_sorts_by_any_name_require_owners() {
        for (line, owners) in [
            ("", false),
            ("-o csv", false),
            ("--columns rtt --sort RTT", false),
            ("--columns PROCESS", true),
            ("--columns rtt,Pid -o csv", true),
            ("--sort -PID", true),
            ("--sort process -o csv", true),
        ] {
            let words = std::iter::once("conns").chain(line.split_whitespace());
            let Line { sockets } = Line::try_parse_from(words).unwrap();
            let shown = sockets.output.columns(ColumnSets::CONNECTIONS, false, false, Owners::No);
            let sort = sockets.output.sort().unwrap().map(|(column, _)| column);
            let needs = Needs::default();
            let columns = shown.unwrap().shown;
            let required = sockets.requirements(&needs, &columns, sort.as_slice(), false);
            assert_eq!(required.owners, owners, "{line}");
        }
    }
}
