//! Running a command that shows sockets, once or repeatedly.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::time::Instant;

use jiff::Timestamp;

use super::exit::Exit;
use super::expression::{FilterArgs, Lookups};
use super::output::{ColumnSets, Format, OutputArgs};
use super::owners::People;
use super::repeat::RepeatArgs;
use super::sample::{Question, Tally, sample};
use super::scene::Stage;
use super::sink::{Schema, Sink};
use super::summary;
use super::wants::Wants;
use crate::filter::Expr;
use crate::model::StateSet;
use crate::render::{Column, all_columns, human};
use crate::report::{Cost, Document, Quality};
use crate::source::{Host, PortNames, Scope, capabilities};
use crate::sys::{Interrupt, Usage};

/// What a command shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject {
    pub(super) schema: Schema,
    pub(super) columns: ColumnSets,
    /// States when none are asked for.
    pub(super) default_states: StateSet,
    /// States it is about.
    pub(super) only_states: StateSet,
    /// Whether owners are shown without being asked for.
    pub(super) owners: bool,
    pub(super) count_requests: bool,
}

/// A command with its arguments.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) subject: Subject,
    pub(super) filter: FilterArgs,
    pub(super) output: OutputArgs,
    pub(super) repeat: RepeatArgs,
}

/// Sums over a repeated run.
#[derive(Debug, Default)]
struct Total {
    samples: u64,
    tally: Tally,
    partial: bool,
}

impl Run {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        if self.output.wants_column_list() {
            return list_columns();
        }
        self.output.check()?;
        let started = Usage::now();
        let repeats = self.repeat.interval.is_some();
        let ports = PortNames::load();
        let expr = self.filter.expression(&Lookups { ports: &ports })?;
        let many =
            self.filter.netns.len() > 1 || self.filter.netns.iter().any(|spec| spec == "all");
        let owners = self.asks_for_owners() || expr.needs().owner;
        let columns = self.output.columns(self.subject.columns, repeats, many, owners)?;
        let sort = self.output.sort()?;
        let wants = self.wants(&expr, &columns, sort.as_ref().map(|(column, _)| column));
        let host = Host::this();
        let mut stage = Stage::open(&self.filter.netns)?;
        let scope = if self.filter.all_owners { Scope::All } else { Scope::First };
        let mut people = People::new(wants.owners, wants.cgroups, scope)?;
        let mut plan = expr.plan(self.subject.default_states, self.filter.plan_options());
        plan.states = plan.states.intersection(self.subject.only_states);
        let question = Question {
            plan,
            expr,
            extensions: wants.extensions,
            ecn: host.ecn_word(),
            ports,
            many_namespaces: many,
            repeats,
            count_requests: self.subject.count_requests,
            sort,
            limit: self.output.limit,
        };
        let interrupt = Interrupt::install()?;
        let mut ticks = self.repeat.ticks();
        let mut writer = Some(BufWriter::with_capacity(1 << 16, io::stdout()));
        let mut total = Total::default();
        let mut usage = started;
        loop {
            let Some(out) = writer.take() else { break };
            let (out, quality) = self.one(
                &question,
                &columns,
                &host,
                &mut stage,
                &mut people,
                &mut total,
                usage,
                out,
            )?;
            total.partial |= quality.is_partial();
            writer = Some(out);
            if !ticks.wait(&interrupt) {
                break;
            }
            usage = Usage::now();
        }
        if repeats {
            eprintln!(
                "{}",
                summary::whole_run(&total.tally, total.samples, started.elapsed().wall)
            );
        }
        Ok(if self.output.strict && total.partial { Exit::Partial } else { Exit::Done })
    }

    fn asks_for_owners(&self) -> bool {
        self.filter.processes || self.filter.all_owners || self.subject.owners
    }

    fn wants(&self, expr: &Expr, columns: &[Column], sort: Option<&Column>) -> Wants {
        let needs = expr.needs();
        let structured =
            matches!(self.output.output, Format::Json | Format::Jsonl) || self.output.detail;
        let mut wants = if structured { Wants::everything() } else { Wants::of(columns) };
        wants = wants.with(Wants::of(sort.map(std::slice::from_ref).unwrap_or_default()));
        wants.extensions = wants.extensions.with(needs.extensions);
        // Without being named, the columns of CSV do not ask for owners.
        let named = self.output.columns.iter().any(|name| Wants::is_of_owners(name.trim()));
        wants.owners = self.asks_for_owners() || needs.owner || named;
        wants.cgroups |= needs.cgroup_path;
        wants
    }

    /// One sample: dump, rows, closing line.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one thing that a sample takes, used once"
    )]
    fn one(
        &self,
        question: &Question,
        columns: &[Column],
        host: &Host,
        stage: &mut Stage,
        people: &mut People,
        total: &mut Total,
        usage: Usage,
        mut out: BufWriter<Stdout>,
    ) -> anyhow::Result<(BufWriter<Stdout>, Quality)> {
        let redrawn =
            question.repeats && self.output.output == Format::Table && io::stdout().is_terminal();
        let now = Instant::now();
        let document = Document {
            schema: self.subject.schema.document,
            captured_at: timestamp(),
            host,
            netns: stage
                .scenes
                .first()
                .filter(|_| !question.many_namespaces)
                .map(|scene| &scene.namespace)
                .cloned(),
            interval_s: stage
                .scenes
                .first()
                .and_then(|scene| scene.sampled)
                .map(|before| (now - before).as_secs_f64()),
        };
        if question.repeats && self.output.output == Format::Table {
            out.write_all(if redrawn { b"\x1b[H\x1b[2J" } else { b"" })?;
            writeln!(out, "{}", document.captured_at)?;
        }
        let first = total.samples == 0;
        let layout = self.output.layout(redrawn);
        let schema = self.subject.schema;
        let mut sink = Sink::begin(
            out,
            &self.output,
            schema,
            columns,
            layout,
            &document,
            first,
            question.repeats,
        )?;
        let mut tally = sample(
            question,
            &document.captured_at,
            &mut stage.scenes,
            people,
            &mut |connection| sink.row(connection),
        )?;
        tally.quality.permission_limited.extend(stage.unreachable.iter().cloned());
        self.say_what_is_withheld(&mut tally.quality);
        let used = usage.elapsed();
        let (mut out, unseen) =
            sink.end(tally.shown, &tally.quality, Cost::new(used, tally.listed))?;
        if question.repeats && !redrawn && self.output.output == Format::Table {
            writeln!(out)?;
        }
        out.flush()?;
        if !question.repeats {
            eprintln!("{}", summary::one_sample(&tally, used.wall));
        }
        if first {
            summary::warnings(&tally.quality).iter().for_each(|line| eprintln!("tcpdiag: {line}"));
        }
        if unseen > 0 {
            eprintln!("{} more sockets do not fit this terminal", human::grouped(unseen as u64));
        }
        total.add(&tally);
        Ok((out, tally.quality))
    }

    /// What an unprivileged user does not get, where it is not obvious.
    fn say_what_is_withheld(&self, quality: &mut Quality) {
        let structured = matches!(self.output.output, Format::Json | Format::Jsonl);
        if structured && !capabilities::has_net_admin() {
            quality
                .permission_limited
                .push("mark, MD5 keys and MPTCP tokens: CAP_NET_ADMIN would show them".to_owned());
        }
    }
}

impl Total {
    fn add(&mut self, tally: &Tally) {
        self.samples += 1;
        self.tally.opened += tally.opened;
        self.tally.closed += tally.closed;
        self.tally.retransmitted += tally.retransmitted;
        self.tally.segments += tally.segments;
    }
}

/// RFC 3339 with nanoseconds, UTC.
fn timestamp() -> String {
    format!("{:.9}", Timestamp::now())
}

fn list_columns() -> anyhow::Result<Exit> {
    let mut out = BufWriter::new(io::stdout().lock());
    for column in all_columns() {
        writeln!(out, "{:<26} {}", column.name, column.meaning)?;
    }
    writeln!(out, "{:<26} Growth of a counter in the interval, e.g. total_retrans+.", "COUNTER+")?;
    writeln!(out, "{:<26} Its growth per second, e.g. bytes_sent/s.", "COUNTER/s")?;
    out.flush()?;
    Ok(Exit::Done)
}
