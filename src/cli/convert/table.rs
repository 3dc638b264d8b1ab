//! A recording as a table.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, bail};

use super::meter::{self, Meter, Metered};
use super::{ConvertCommand, names, target};
use crate::attribution::Grouping;
use crate::cli::exit::{Exit, say};
use crate::cli::passage::{Gaps, Holding, Passage, Sight};
use crate::cli::past::{When, complain, in_full, nothing, resolve};
use crate::filter::{Candidate, Expr, Owner, PlanOptions, Process, Verdict};
use crate::model::{Role, Socket, State, StateSet};
use crate::output::Intervals;
use crate::output::human::grouped;
use crate::procfs::PortNames;
use crate::recording::{Reader, RecordedNamespace, Sample, Span, Walk};
use crate::report::{IntervalColumn, IntervalRow, interval_columns};
use crate::sys::Interrupt;

/// States that sockets are in.
const SOCKETS: StateSet = StateSet::of(&[
    State::Established,
    State::SynSent,
    State::FinWait1,
    State::FinWait2,
    State::Close,
    State::CloseWait,
    State::LastAck,
    State::Listen,
    State::Closing,
]);

/// States of records that are no sockets.
const BUCKETS: StateSet = StateSet::of(&[State::TimeWait, State::SynRecv]);

/// Where rows go.
type Out = BufWriter<Box<dyn Write>>;

pub(super) fn run(command: &ConvertCommand) -> anyhow::Result<Exit> {
    if matches!(command.columns.as_slice(), [only] if only == "help" || only == "list") {
        return list_columns();
    }
    let columns = columns(&command.columns)?;
    let path = &command.file;
    let resolve = |when: Option<When>| when.map(|when| resolve(path, when)).transpose();
    let (from, to) = (resolve(command.from)?, resolve(command.to)?);
    if let (Some(from), Some(to)) = (from, to)
        && from > to
    {
        bail!("--from {} is after --to {}", in_full(from), in_full(to));
    }
    let interrupt = Interrupt::install()?;
    let (file, meter) = meter::open(path)?;
    let source = file.file().try_clone().with_context(|| path.display().to_string())?;
    let mut reader = Reader::new(file).with_context(|| path.display().to_string())?;
    if !reader.is_of_this_byte_order() {
        bail!("{}: recorded on a machine of the other byte order", path.display());
    }
    let ports = PortNames::load();
    let expr = names::expression(&command.which, &ports, path)?;
    if expr.needs().program {
        bail!("a recording does not tell which ports the kernel chose, as `autobound` asks");
    }
    // What came before has to be known to tell what grew.
    let mut walk = Walk::new(&mut reader, Span { from: None, to });
    // Nothing is made before there is something to put into it.
    if !walk.advance() {
        return Err(none(&walk, path, to));
    }
    check_namespaces(&command.netns, walk.sample())?;
    let writer: Box<dyn Write> = match &command.into {
        Some(path) => Box::new(target::create(path, command.force, &source)?),
        None => Box::new(io::stdout()),
    };
    let out = BufWriter::with_capacity(1 << 16, writer);
    let states = expr.plan(SOCKETS, PlanOptions::default()).states;
    let conversion = Conversion {
        command,
        from,
        rows: Rows {
            table: Intervals::begin(out, command.form(), columns)?,
            states,
            expr,
            ports,
            netns: &command.netns,
            all: command.all_rows,
            written: 0,
            sockets: 0,
        },
        meter,
        read: 0,
    };
    conversion.run(walk, &interrupt)
}

/// Why there is nothing to convert.
fn none(walk: &Walk<'_, Metered>, path: &Path, to: Option<u64>) -> anyhow::Error {
    if let Some(damage) = walk.damage() {
        complain(path, damage);
    }
    nothing(path, Span { from: None, to }, walk.first())
}

/// A conversion at work.
struct Conversion<'a> {
    command: &'a ConvertCommand,
    /// Rows of earlier intervals are not written.
    from: Option<u64>,
    rows: Rows<'a>,
    meter: Meter,
    /// Samples that were read.
    read: u64,
}

impl Conversion<'_> {
    fn run(mut self, mut walk: Walk<'_, Metered>, interrupt: &Interrupt) -> anyhow::Result<Exit> {
        let mut passage = Passage::new(Grouping::Service)?;
        passage.minisocks = self.rows.states.intersection(BUCKETS) != StateSet::NONE;
        let interrupted = loop {
            self.read += 1;
            let time = walk.sample().clocks.realtime_ns;
            let is_in = self.from.is_none_or(|from| time >= from);
            // In the last one all that live on have their last row.
            self.rows.all = self.command.all_rows || walk.is_last();
            let rows = &mut self.rows;
            passage
                .take(walk.sample(), &mut |sight| if is_in { rows.put(sight) } else { Ok(()) })?;
            passage.clean(walk.sample_mut());
            let (read, written) = (self.read, self.rows.written);
            self.meter.show(|| format!("{} samples, {} rows", grouped(read), grouped(written)));
            let interrupted = interrupt.is_asked();
            if interrupted || !walk.advance() {
                break interrupted;
            }
        };
        self.meter.clear();
        let damage = walk.damage().cloned();
        let Rows { table, written, sockets, .. } = self.rows;
        table.end()?.flush().context("cannot write the table")?;
        say(format_args!(
            "{}: {} rows of {} sockets from {} samples in {}",
            self.command.file.display(),
            grouped(written),
            grouped(sockets),
            grouped(self.read),
            self.meter.took(),
        ));
        gaps(&passage.gaps).iter().for_each(|line| say(format_args!("tcpdiag: {line}")));
        if let Some(damage) = &damage {
            complain(&self.command.file, damage);
        }
        let partial = damage.is_some() || passage.gaps.is_partial();
        Ok(if interrupted && written == 0 {
            Exit::Interrupted
        } else if self.command.strict && partial {
            Exit::Partial
        } else {
            Exit::Done
        })
    }
}

/// What is missing, a line each.
pub(in crate::cli) fn gaps(gaps: &Gaps) -> Vec<String> {
    let Gaps { events_lost, deaf, dumps } = *gaps;
    let lines = [
        (events_lost, "deaths of sockets were not heard: what those did last is missing"),
        (deaf, "samples without word of sockets that died: what those did last is missing"),
        (dumps, "dumps were disturbed or not whole: rows may be missing"),
    ];
    let lines = lines.into_iter().filter(|(count, _)| *count > 0);
    lines.map(|(count, text)| format!("{} {text}", grouped(count))).collect()
}

/// Which rows there are, and where they go.
struct Rows<'a> {
    table: Intervals<Out>,
    states: StateSet,
    expr: Expr,
    ports: PortNames,
    netns: &'a [String],
    /// Also where nothing moved.
    all: bool,
    written: u64,
    /// Sockets that have a row.
    sockets: u64,
}

impl Rows<'_> {
    fn put(&mut self, sight: &Sight<'_>) -> anyhow::Result<()> {
        let first = !sight.seen.was_told();
        if !(sight.moved || first || self.all) {
            return Ok(());
        }
        let holding = Holding::of(sight.sample, sight.socket.inode, sight.socket.cgroup_id);
        if !self.is_wanted(sight, &holding) {
            return Ok(());
        }
        sight.seen.tell();
        let activity = sight.activity;
        let row = IntervalRow {
            time_ns: sight.sample.clocks.realtime_ns,
            interval_s: sight.interval.map(|interval| interval.as_secs_f64()),
            sample: sight.sample.number,
            netns: sight.namespace.inode,
            netns_name: sight.namespace.name.as_deref(),
            socket: sight.socket,
            figures: sight.figures,
            role: sight.role,
            service: sight.label,
            interface: sight.namespace.interfaces.get(&sight.socket.interface).map(String::as_str),
            pid: holding.pid,
            process: holding.process,
            cgroup: holding.cgroup,
            unit: holding.unit.as_deref(),
            container: holding.container.as_deref(),
            first,
            opened: activity.is_some_and(|activity| activity.opened),
            closed: activity.is_some_and(|activity| activity.closed),
            vanished: activity.is_some_and(|activity| activity.vanished),
            wiped: activity.is_some_and(|activity| activity.wiped),
            delta: sight.delta.as_ref(),
        };
        self.table.row(&row)?;
        self.written += 1;
        self.sockets += u64::from(first);
        Ok(())
    }

    fn is_wanted(&self, sight: &Sight<'_>, holding: &Holding<'_>) -> bool {
        let socket = sight.socket;
        if !self.states.contains(socket.state) || !is_of(sight.namespace, self.netns) {
            return false;
        }
        if matches!(self.expr, Expr::True) {
            return true;
        }
        let processes = processes(sight.sample, socket, holding);
        let owner = match processes.as_slice() {
            [] if holding.hidden => Owner::Hidden,
            [] => Owner::None,
            processes => Owner::Known(processes),
        };
        let candidate = Candidate {
            socket,
            role: sight.role,
            service: self.port_name(socket, sight.role),
            netns: sight.namespace.name.as_deref(),
            netns_inode: sight.namespace.inode,
            cgroup_path: holding.cgroup,
            owner,
        };
        self.expr.eval(&candidate) == Verdict::Yes
    }

    /// What `conns` takes for a service.
    fn port_name(&self, socket: &Socket, role: Role) -> Option<&str> {
        match role {
            Role::Server | Role::Listener => self.ports.name(socket.local.port),
            Role::Client => self.ports.name(socket.remote.port),
            Role::Unknown => None,
        }
    }
}

/// All processes that hold a socket.
fn processes<'a>(
    sample: &'a Sample,
    socket: &Socket,
    holding: &'a Holding<'_>,
) -> Vec<Process<'a>> {
    let owners = sample.owners.get(&socket.inode).filter(|_| socket.inode != 0);
    let holders = owners.iter().flat_map(|owners| &owners.holders);
    holders
        .map(|holder| Process {
            pid: holder.pid,
            comm: &holder.comm,
            unit: holding.unit.as_deref(),
            container: holding.container.as_deref(),
        })
        .collect()
}

/// Whether a namespace is one of these, which are names or inodes; every one if there are none.
pub(in crate::cli) fn is_of(namespace: &RecordedNamespace, specs: &[String]) -> bool {
    let is = |spec: &String| {
        spec == "all"
            || namespace.name.as_ref() == Some(spec)
            || namespace.inode.to_string() == *spec
    };
    specs.is_empty() || specs.iter().any(is)
}

/// Refuses names of namespaces that are not in the recording.
pub(in crate::cli) fn check_namespaces(specs: &[String], sample: &Sample) -> anyhow::Result<()> {
    for spec in specs {
        if !sample.namespaces.iter().any(|namespace| is_of(namespace, std::slice::from_ref(spec))) {
            let name = |namespace: &RecordedNamespace| {
                namespace.name.clone().unwrap_or(namespace.inode.to_string())
            };
            let known: Vec<String> = sample.namespaces.iter().map(name).collect();
            bail!("--netns {spec}: not in the recording, which has {}", known.join(", "));
        }
    }
    Ok(())
}

/// The columns of these names; all of them for none.
fn columns(names: &[String]) -> anyhow::Result<Vec<&'static IntervalColumn>> {
    let all = interval_columns();
    if names.is_empty() {
        return Ok(all.iter().collect());
    }
    let find = |name: &String| {
        let name = name.trim();
        if let Some(column) = all.iter().find(|column| column.name == name) {
            return Ok(column);
        }
        let near = all
            .iter()
            .map(|column| (strsim::damerau_levenshtein(name, &column.name), &column.name))
            .min()
            .filter(|(distance, _)| *distance <= (name.chars().count() / 2).min(3));
        let near = near.map_or_else(String::new, |(_, near)| format!("; did you mean '{near}'?"));
        let name = crate::output::escape::text(name).into_owned();
        bail!("unknown column '{name}'{near} (`--columns help` lists them all)")
    };
    names.iter().map(find).collect()
}

fn list_columns() -> anyhow::Result<Exit> {
    let mut out = BufWriter::new(io::stdout().lock());
    for column in interval_columns() {
        writeln!(out, "{:<28} {}", column.name, column.meaning)?;
    }
    out.flush()?;
    Ok(Exit::Done)
}
