//! `tcpdiag conns EXPRESSION --kill`.

use std::cell::RefCell;
use std::io::{self, IsTerminal as _, Write};
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context as _, bail};
use clap::Args;
use rustc_hash::FxHashMap;

use super::exit::{Exit, eprint_line, reader_left};
use super::output::{Format, at_least_one};
use super::run::{SocketArgs, Subject};
use super::sockets::Selected;
use crate::counters::Counters;
use crate::model::{State, StateSet};
use crate::monitor::{Namespace, find_namespaces};
use crate::output::{
    Column, ConnectionWriter, OutputWriter, Owners, SafeText, human, json_line, summary,
};
use crate::procfs::capabilities;
use crate::report::{
    Connection, ConnectionPoller, Cost, Document, KILL, KeptConnection, KillDocument, KillEntry,
    KillLine, Quality, RowSink,
};
use crate::socket_diag::{Killed, Killer};
use crate::sys::Usage;

/// States that end by themselves, or that are no connections.
const NOT_KILLED: StateSet = StateSet::of(&[State::Listen, State::BoundInactive, State::Close]);

/// Arguments that kill.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Killing")]
pub(super) struct KillArgs {
    /// List the connections, ask, and end each with a reset (SOCK_DESTROY): its program gets
    /// ECONNABORTED. Needs CAP_NET_ADMIN and a kernel with CONFIG_INET_DIAG_DESTROY.
    #[arg(long, conflicts_with_all = [
        "by", "lines", "read", "interval", "detail", "sort", "limit", "names",
    ])]
    kill: bool,
    /// Do not ask, for scripts.
    #[arg(long, requires = "kill")]
    yes: bool,
    /// Refuse to kill when more connections than this match.
    #[arg(long, requires = "kill", value_name = "N", default_value = "10", value_parser = at_least_one)]
    at_most: u64,
}

impl KillArgs {
    /// Whether connections are to die.
    pub(super) fn is_asked(self) -> bool {
        self.kill
    }
}

/// Lists, asks and kills.
pub(super) fn run(sockets: &SocketArgs, args: KillArgs, subject: Subject) -> anyhow::Result<Exit> {
    let format = sockets.output.output;
    sockets.output.check()?;
    if matches!(format, Format::Csv | Format::Tsv) {
        bail!("--kill goes with -o table, json and jsonl only");
    }
    let begun = Usage::now();
    let selected = Selected::new(&sockets.filter, &sockets.recorded, false)?;
    if !selected.is_selective() {
        bail!(
            "--kill needs a port, address, process, pid, uid, service, cgroup, unit, container or \
             figure that selects the connections, such as `dst 10.0.0.7 and dport = :5432`, --pid \
             4711 or `rtt > 1s`; a state, family, namespace or role, or what is excluded, selects \
             too many"
        );
    }
    if !args.yes && format != Format::Table {
        bail!("--kill with -o json or jsonl needs --yes: there is nobody to ask");
    }
    if !args.yes && !io::stdin().is_terminal() {
        bail!("--kill asks before it kills, and standard input is no terminal; --yes does not ask");
    }
    // Of other namespaces the kernel decides.
    if sockets.filter.netns.is_empty() && !capabilities::has_net_admin() {
        bail!("--kill needs {}", capabilities::missing_net_admin());
    }
    let many = sockets.filter.has_many_namespaces();
    let columns = sockets.output.columns(subject.columns, false, many, Owners::Asked)?.shown;
    let wanted =
        sockets.wanted(Subject { owners: true, ..subject }, &selected.needs, &columns, &[]);
    let (mut settings, _) = selected.settings(&sockets.filter, wanted)?;
    settings.options.plan.states =
        NOT_KILLED.complement().intersection(settings.options.plan.states);
    if settings.options.plan.states == StateSet::NONE {
        bail!(
            "--kill ends connections, and the filter selects none, but listeners or unused sockets"
        );
    }
    settings.options.many_namespaces = true;
    let list = Rc::new(RefCell::new(List { most: args.at_most, ..List::default() }));
    let (specs, rows) = (&sockets.filter.netns, Rc::clone(&list));
    let mut poller = ConnectionPoller::open(settings, specs, None, rows)?;
    let captured_at = poller.time();
    poller.poll(Instant::now())?;
    let List { rows, matched, mut quality, .. } = std::mem::take(&mut *list.borrow_mut());
    poller.report_limits(&mut quality);
    for warning in summary::warnings(&quality) {
        eprint_line(format_args!("tcpdiag: {warning}"));
    }
    if matched > args.at_most {
        bail!(
            "{} match, and --at-most is {}: nothing was killed (--at-most {matched} would)",
            human::counted(matched, "connection"),
            args.at_most
        );
    }
    let document =
        Document { schema: KILL, captured_at, host: poller.host(), netns: None, interval_s: None };
    let mut out = OutputWriter::standard();
    if format == Format::Table && !rows.is_empty() {
        out = show(out, sockets, subject, &columns, &document, &rows, begun)?;
        out.flush()?;
    }
    if rows.is_empty() && format == Format::Table {
        eprint_line("no connection matches");
        return Ok(Exit::Done);
    }
    if !args.yes && !is_confirmed(rows.len() as u64)? {
        eprint_line("nothing was killed");
        return Ok(Exit::Interrupted);
    }
    let entries = kill(specs, rows)?;
    reader_left(report(&mut out, format, document, &entries))?;
    let dead = entries.iter().filter(|entry| entry.killed == Killed::Killed).count() as u64;
    let alive = entries.iter().filter(|entry| !entry.killed.is_dead()).count() as u64;
    let mut line = format!("{} killed", human::counted(dead, "connection"));
    if alive > 0 {
        line.push_str(&format!(", {} not", human::grouped(alive)));
    }
    eprint_line(line);
    Ok(if alive > 0 { Exit::NotKilled } else { Exit::Done })
}

/// Shows what would die.
fn show<W: Write>(
    out: OutputWriter<W>,
    sockets: &SocketArgs,
    subject: Subject,
    columns: &[Column],
    document: &Document<'_>,
    rows: &[KeptConnection],
    begun: Usage,
) -> anyhow::Result<OutputWriter<W>> {
    let form = sockets.output.form(false, true, false);
    let mut writer = ConnectionWriter::begin(out, form, subject.schema, columns, document)?;
    for row in rows {
        row.with(&document.captured_at, |row| writer.row(row))?;
    }
    let cost = Cost::new(begun.elapsed(), rows.len() as u64);
    let (out, _) = writer.end(rows.len() as u64, &Quality::default(), cost)?;
    Ok(out)
}

/// Asks; only `y` and `yes` kill.
fn is_confirmed(count: u64) -> anyhow::Result<bool> {
    let what = if count == 1 {
        "this connection".to_owned()
    } else {
        format!("these {count} connections")
    };
    eprint_line(format_args!("Kill {what}? Type yes or no:"));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).context("standard input")?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Kills exactly these sockets, each in its network namespace.
fn kill(specs: &[String], rows: Vec<KeptConnection>) -> anyhow::Result<Vec<KillEntry>> {
    let (namespaces, _) = find_namespaces(specs)?;
    let mut killers = FxHashMap::default();
    // Before the first of them dies.
    for namespace in &namespaces {
        if rows.iter().any(|row| inode(row) == Some(namespace.inode)) {
            killers.insert(namespace.inode, Killer::open_in(namespace)?);
        }
    }
    let mut entries = Vec::new();
    for connection in rows {
        let killer = inode(&connection).and_then(|inode| killers.get_mut(&inode));
        // Where its namespace is gone, so are its sockets.
        let killed = killer.map_or(Killed::Gone, |killer| killer.kill(connection.socket()));
        entries.push(KillEntry { connection, killed });
    }
    Ok(entries)
}

/// Inode of a connection's network namespace.
fn inode(row: &KeptConnection) -> Option<u64> {
    row.netns().map(|netns| netns.inode)
}

/// A result for each.
fn report(
    out: &mut OutputWriter<impl Write>,
    format: Format,
    document: Document<'_>,
    entries: &[KillEntry],
) -> io::Result<()> {
    match format {
        Format::Json => json_line(&mut *out, &KillDocument { document, results: entries })?,
        Format::Jsonl => {
            for entry in entries {
                json_line(&mut *out, &KillLine::new(entry))?;
            }
        }
        Format::Table | Format::Csv | Format::Tsv => {
            for entry in entries {
                let mut line = SafeText::default();
                line.push(entry.killed.name());
                line.push_spaces(1);
                entry.connection.with("", |connection| {
                    let mut ends = String::new();
                    crate::output::ends(connection, &mut ends);
                    line.push(&ends);
                });
                if let Some(reason) = entry.killed.reason() {
                    line.push(&format!(": {reason}"));
                }
                line.end_line();
                out.text(&line)?;
            }
        }
    }
    out.flush()
}

/// The connections that match, up to a limit.
#[derive(Debug, Default)]
struct List {
    most: u64,
    rows: Vec<KeptConnection>,
    matched: u64,
    quality: Quality,
}

impl RowSink for List {
    fn captured_at(&self) -> Rc<str> {
        Rc::from("")
    }

    fn row(&mut self, row: &Connection<'_>) {
        self.matched += 1;
        if self.matched <= self.most {
            self.rows.push(KeptConnection::of(row));
        }
    }

    fn is_over(&mut self) -> bool {
        false
    }

    fn remove(&mut self, netns: &Namespace) {
        let before = self.rows.len();
        self.rows.retain(|row| row.netns().is_some_and(|own| own.inode != netns.inode));
        self.matched -= (before - self.rows.len()) as u64;
    }

    fn holds_rows(&self) -> bool {
        true
    }

    fn poll_ended(&mut self, _: u64, quality: &Quality, _: &Counters) {
        self.quality.add(quality.clone());
    }
}
