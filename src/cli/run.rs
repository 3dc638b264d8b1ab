//! Running a command that shows sockets, once or repeatedly.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::time::Instant;

use jiff::Timestamp;

use super::exit::{Exit, say};
use super::expression::{FilterArgs, Lookups};
use super::output::{ColumnSets, Format, OutputArgs};
use super::owners::People;
use super::past::{Past, PastArgs, host, timestamp};
use super::repeat::RepeatArgs;
use super::sample::{Backdrop, Question, Sampler, Tally};
use super::scene::Stage;
use super::sink::{Manner, Schema, Sink};
use super::summary;
use super::wants::Wants;
use crate::filter::Needs;
use crate::model::StateSet;
use crate::output::{Column, all_columns, human};
use crate::procfs::{Host, PortNames, Scope, capabilities};
use crate::recording::Sample;
use crate::report::{Cost, Document};
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
    /// Whether requests in SYN-RECV are counted.
    pub(super) count_requests: bool,
}

/// A command with its arguments.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) subject: Subject,
    pub(super) filter: FilterArgs,
    pub(super) output: OutputArgs,
    pub(super) repeat: RepeatArgs,
    pub(super) past: PastArgs,
}

impl Run {
    pub(super) fn run(self) -> anyhow::Result<Exit> {
        if self.output.wants_column_list() {
            return list_columns();
        }
        self.output.check()?;
        let begun = Usage::now();
        let repeat = self.repeat;
        let mut session = self.prepare()?;
        let mut ticks = repeat.ticks();
        let mut out = BufWriter::with_capacity(1 << 16, io::stdout());
        let mut usage = begun;
        loop {
            out = session.sample(out, usage)?;
            if session.total.interrupted || !ticks.wait(&session.interrupt) {
                break;
            }
            usage = Usage::now();
        }
        if session.question.repeats {
            say(summary::whole_run(&session.total, session.samples, begun.elapsed().wall));
        }
        Ok(if session.total.interrupted && session.total.shown == 0 {
            Exit::Interrupted
        } else if session.output.strict && (session.damaged || session.total.quality.is_partial()) {
            Exit::Partial
        } else {
            Exit::Done
        })
    }

    /// Resolves the arguments and opens what they name.
    fn prepare(self) -> anyhow::Result<Session> {
        let repeats = self.repeat.interval.is_some();
        if repeats && self.past.is_given() {
            anyhow::bail!("the argument '--read <FILE>' cannot be used with '--interval <TIME>'");
        }
        let ports = PortNames::load();
        let past = self.past.sample()?;
        let damaged = past.as_ref().is_some_and(|past| past.damaged);
        let sample = past.map(|past: Past| past.sample);
        let expr = self.filter.expression(&Lookups { ports: &ports, past: sample.as_ref() })?;
        let needs = expr.needs();
        let is_capture = sample.as_ref().is_some_and(|sample| sample.capture);
        if is_capture && needs.owner {
            anyhow::bail!("owners are asked for, and a capture by another program has none");
        }
        let many_namespaces =
            self.filter.netns.len() > 1 || self.filter.netns.iter().any(|spec| spec == "all");
        let owners = self.asks_for_owners() || needs.owner;
        let columns =
            self.output.columns(self.subject.columns, repeats, many_namespaces, owners)?;
        let sort = self.output.sort()?;
        let wants = self.wants(&needs, &columns, sort.as_ref().map(|(column, _)| column));
        let captured_at = sample.as_ref().map(|sample| timestamp(sample.clocks.realtime_ns));
        let withheld = self.withheld(&needs, sample.as_ref());
        let recorded_filter = sample.as_ref().and_then(|sample| sample.filter.clone());
        let host = sample.as_ref().map_or_else(Host::this, host);
        let scope = if self.filter.all_owners { Scope::All } else { Scope::First };
        let (stage, people) = match sample {
            None => {
                (Stage::open(&self.filter.netns)?, People::new(wants.owners, wants.cgroups, scope)?)
            }
            Some(sample) => (
                Stage::of(sample.namespaces, &self.filter.netns)?,
                People::of(sample.owners, sample.cgroups, wants.owners && !is_capture),
            ),
        };
        let mut plan = expr.plan(self.subject.default_states, self.filter.plan_options());
        plan.states = plan.states.intersection(self.subject.only_states);
        let question = Question {
            plan,
            expr,
            extensions: wants.extensions,
            ecn: host.ecn_word(),
            ports,
            many_namespaces,
            repeats,
            needs_program: needs.program,
            count_requests: self.subject.count_requests,
            sort,
            limit: self.output.limit,
        };
        let interrupt = Interrupt::install()?;
        Ok(Session {
            schema: self.subject.schema,
            captured_at,
            withheld,
            damaged,
            recorded_filter,
            output: self.output,
            columns,
            question,
            host,
            stage,
            people,
            interrupt,
            samples: 0,
            total: Tally::default(),
        })
    }

    fn asks_for_owners(&self) -> bool {
        self.filter.processes || self.filter.all_owners || self.subject.owners
    }

    fn is_structured(&self) -> bool {
        matches!(self.output.output, Format::Json | Format::Jsonl)
    }

    fn wants(&self, needs: &Needs, columns: &[Column], sort: Option<&Column>) -> Wants {
        let mut wants = if self.is_structured() || self.output.detail {
            Wants::everything()
        } else {
            Wants::of(columns)
        };
        wants = wants.with(Wants::of(sort.map(std::slice::from_ref).unwrap_or_default()));
        wants.extensions = wants.extensions.with(needs.extensions);
        // Without being named, the columns of CSV do not ask for owners.
        let named = self.output.columns.iter().any(|name| Wants::is_of_owners(name.trim()));
        wants.owners = self.asks_for_owners() || needs.owner || named;
        wants.cgroups |= needs.cgroup_path;
        wants
    }

    /// What an unprivileged user does not get of what was asked for.
    fn withheld(&self, needs: &Needs, sample: Option<&Sample>) -> Vec<String> {
        let mut withheld = Vec::new();
        let is_shown = |sample: &Sample| sample.host.net_admin || sample.capture;
        if sample.map_or_else(capabilities::has_net_admin, is_shown) {
            return withheld;
        }
        if self.is_structured() {
            let what = "mark, MD5 peers and MPTCP sequence numbers: CAP_NET_ADMIN would show them";
            withheld.push(what.to_owned());
        } else if needs.mark || self.output.columns.iter().any(|name| name.trim() == "mark") {
            withheld.push(
                "mark: CAP_NET_ADMIN would show it; without, sockets count as unmarked".to_owned(),
            );
        }
        withheld
    }
}

/// A command at work.
struct Session {
    schema: Schema,
    output: OutputArgs,
    columns: Vec<Column>,
    question: Question,
    host: Host,
    stage: Stage,
    people: People,
    interrupt: Interrupt,
    /// When, if that is not now.
    captured_at: Option<Timestamp>,
    /// The recording is damaged behind it.
    damaged: bool,
    /// What the user may not see.
    withheld: Vec<String>,
    /// What the recording that is asked was narrowed to.
    recorded_filter: Option<String>,
    samples: u64,
    /// Sums over all samples.
    total: Tally,
}

impl Session {
    /// One sample: dump, rows, closing line.
    fn sample(
        &mut self,
        mut out: BufWriter<Stdout>,
        usage: Usage,
    ) -> anyhow::Result<BufWriter<Stdout>> {
        let captured_at = format!("{:.9}", self.captured_at.unwrap_or_else(Timestamp::now));
        let appended = self.question.repeats && self.output.output == Format::Table;
        let redrawn = appended && io::stdout().is_terminal();
        if appended {
            let home: &[u8] = if redrawn { b"\x1b[H\x1b[2J" } else { b"" };
            out.write_all(home)?;
            writeln!(out, "{captured_at}")?;
        }
        let many = self.question.many_namespaces;
        let document = envelope(self.schema.document, &captured_at, &self.host, &self.stage, many);
        let layout = self.output.layout(redrawn);
        let manner = Manner {
            schema: self.schema,
            first: self.samples == 0,
            repeats: self.question.repeats,
        };
        let mut sink = Sink::begin(out, &self.output, manner, &self.columns, layout, &document)?;
        let sampler = Sampler {
            backdrop: Backdrop { question: &self.question, captured_at: &captured_at },
            interrupt: &self.interrupt,
            people: &mut self.people,
            put: &mut |connection| sink.row(connection),
            tally: Tally::default(),
            sorted: Vec::new(),
        };
        let mut tally = sampler.run(&mut self.stage.namespaces)?;
        tally.quality.permission_limited.extend(self.stage.unreachable.iter().cloned());
        tally.quality.permission_limited.extend(self.withheld.iter().cloned());
        tally.quality.recorded_filter.clone_from(&self.recorded_filter);
        let used = usage.elapsed();
        let (mut out, unseen) =
            sink.end(tally.shown, &tally.quality, Cost::new(used, tally.listed))?;
        if appended && !redrawn {
            writeln!(out)?;
        }
        out.flush()?;
        if !self.question.repeats {
            say(summary::one_sample(&tally, used.wall));
        }
        if self.samples == 0 {
            let warnings = summary::warnings(&tally.quality);
            warnings.iter().for_each(|line| say(format_args!("tcpdiag: {line}")));
        }
        if unseen > 0 {
            let unseen = human::grouped(unseen as u64);
            say(format_args!("{unseen} more sockets do not fit this terminal"));
        }
        self.samples += 1;
        self.total.add(tally);
        Ok(out)
    }
}

/// The envelope of a sample that is about to be taken.
fn envelope<'h>(
    schema: &'static str,
    captured_at: &str,
    host: &'h Host,
    stage: &Stage,
    many_namespaces: bool,
) -> Document<'h> {
    let namespace = stage.namespaces.first();
    let before = namespace.and_then(|namespace| namespace.sampled);
    Document {
        schema,
        captured_at: captured_at.to_owned(),
        host,
        netns: namespace
            .filter(|namespace| !many_namespaces && namespace.namespace.inode != 0)
            .map(|namespace| namespace.namespace.clone()),
        interval_s: before.map(|before| (Instant::now() - before).as_secs_f64()),
    }
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
