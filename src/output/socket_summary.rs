//! All sockets of a host in a few lines, which fit a terminal of 80 columns and 24 lines.

use std::io::{self, Write};

use super::address::endpoint;
use super::aligned::{Aligned, Cell};
use super::wrap::fold;
use super::{Align, OutputWriter, TableLayout, Tone, human};
use crate::counters::{Ratio, Verdict};
use crate::monitor::Interface;
use crate::report::{Basis, KeyValue, ListenerEntry, NamedCount, Omitted, SummaryDocument};

/// Lines of counters.
const COUNTER_LINES: usize = 3;

/// Writes a sample for people: `most` lines of each list.
///
/// # Errors
/// Errors of the writer.
pub fn socket_summary(
    out: &mut OutputWriter<impl Write>,
    summary: &SummaryDocument<'_>,
    layout: TableLayout,
    most: usize,
) -> io::Result<()> {
    head(out, summary, layout)?;
    lists(out, summary, layout)?;
    listeners(out, summary, layout, most.saturating_sub(2).max(1))?;
    trouble(out, summary, layout)
}

/// How many sockets there are, and in which states.
fn head(
    out: &mut OutputWriter<impl Write>,
    summary: &SummaryDocument<'_>,
    layout: TableLayout,
) -> io::Result<()> {
    let mut text = Aligned::new(&[], 0);
    let grouped = human::grouped;
    let mut line = format!(
        "{}: {} IPv4, {} IPv6, {} orphaned",
        human::counted(summary.sockets, "socket"),
        grouped(summary.families.ipv4),
        grouped(summary.families.ipv6),
        grouped(summary.orphaned),
    );
    if let Some((opened, closed)) = summary.opened.zip(summary.closed) {
        line.push_str(&format!("; {} opened, {} closed", grouped(opened), grouped(closed)));
    }
    text.heading(&line);
    let mut states: Vec<_> = summary.states.states().collect();
    states.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let states: Vec<String> = states
        .iter()
        .map(|(state, count)| format!("{} {}", grouped(*count), state.name()))
        .collect();
    if !states.is_empty() {
        text.text(0, &states.join(", "), Tone::Plain);
    }
    text.blank();
    text.write(out, layout.width, layout.style)
}

/// One of the lists that stand side by side.
struct List<'a> {
    title: &'static str,
    names: &'a [NamedCount<'a>],
    omitted: Option<Omitted>,
}

impl List<'_> {
    fn title(&self) -> String {
        let omitted = self.omitted.unwrap_or_default();
        let groups = human::grouped(self.names.len() as u64 + omitted.groups);
        format!("{} ({groups}{})", self.title, omitted.sign())
    }

    /// The line at this position: a name, or what is left.
    fn line(&self, at: usize) -> [Cell; 2] {
        let cells = |name: &str, count: u64, tone: Tone| {
            [(name.to_owned(), tone), (human::grouped(count), tone)]
        };
        let last = self.names.len();
        match (self.names.get(at), self.omitted) {
            (Some(named), _) => {
                let name = named.name.shown();
                let tone = if name.is_empty() { Tone::Quiet } else { Tone::Plain };
                cells(if name.is_empty() { "-" } else { &name }, named.count, tone)
            }
            (None, Some(omitted)) if at == last => {
                let others = match omitted.groups {
                    0 => "others".to_owned(),
                    groups => format!("{}{} others", human::grouped(groups), omitted.sign()),
                };
                cells(&others, omitted.sockets, Tone::Quiet)
            }
            _ => Default::default(),
        }
    }
}

/// Services, peers and processes with the most connections.
fn lists(
    out: &mut OutputWriter<impl Write>,
    summary: &SummaryDocument<'_>,
    layout: TableLayout,
) -> io::Result<()> {
    let list = |title, names, omitted| List { title, names, omitted };
    let mut lists = vec![
        list("SERVICE", &*summary.services, summary.services_omitted),
        list("REMOTE", &*summary.remotes, summary.remotes_omitted),
    ];
    if let Some(processes) = &summary.processes {
        lists.push(list("PROCESS", processes, summary.processes_omitted));
    }
    let alignment = [("", Align::Left), ("", Align::Right)].repeat(lists.len());
    let names = (0..lists.len()).map(|list| 2 * list);
    let mut table = names.fold(Aligned::new(&alignment, 0), Aligned::shrinkable);
    let titles = lists
        .iter()
        .flat_map(|list| [(list.title(), Tone::Quiet), ("CONNS".to_owned(), Tone::Quiet)]);
    table.row(titles.collect());
    let lines = lists.iter().map(|list| list.names.len() + usize::from(list.omitted.is_some()));
    for at in 0..lines.max().unwrap_or(0) {
        table.row(lists.iter().flat_map(|list| list.line(at)).collect());
    }
    if let Some(reason) = summary.processes_skipped {
        table.text(0, &format!("Processes: {reason}"), Tone::Quiet);
    }
    table.blank();
    table.write(out, layout.width, layout.style)
}

/// Listeners at which connections wait, or that discarded segments.
fn listeners(
    out: &mut OutputWriter<impl Write>,
    summary: &SummaryDocument<'_>,
    layout: TableLayout,
    most: usize,
) -> io::Result<()> {
    let listeners = &summary.listeners;
    let columns = [
        ("LISTENER", Align::Left),
        ("QUEUED", Align::Right),
        ("LIMIT", Align::Right),
        ("DROPS", Align::Right),
        ("SERVICE", Align::Left),
    ];
    let mut table = Aligned::new(&columns, 0).shrinkable(0);
    let grouped = human::grouped;
    table.heading(&format!(
        "{}, {} with waiting connections, {} with drops",
        human::counted(listeners.count, "listener"),
        grouped(listeners.waiting),
        grouped(listeners.dropped),
    ));
    if !listeners.troubled.is_empty() {
        table.titles();
    }
    for entry in listeners.troubled.iter().take(most) {
        table.row(listener(entry));
    }
    let unseen = listeners.troubled.len().saturating_sub(most) as u64;
    let more = listeners.troubled_omitted + unseen;
    if more > 0 {
        let more = grouped(more);
        table.text(0, &format!("and {more} more; `tcpdiag listeners` shows all"), Tone::Quiet);
    }
    table.blank();
    table.write(out, layout.width, layout.style)
}

fn listener(entry: &ListenerEntry<'_>) -> Vec<Cell> {
    let ListenerEntry(listener) = entry;
    let mut local = String::new();
    let name = listener.interface.as_deref();
    let zone = name.map(|name| Interface { index: 0, name: Some(name) });
    endpoint(&listener.local, zone, &mut local);
    let number = |count: u64, loud: Tone| {
        (human::grouped(count), if count == 0 { Tone::Quiet } else { loud })
    };
    let is_full = listener.accept_queue > listener.accept_queue_max;
    let drops = listener.drops_delta.unwrap_or(listener.drops);
    vec![
        (local, Tone::Plain),
        number(listener.accept_queue, if is_full { Tone::Alarm } else { Tone::Warn }),
        (human::grouped(listener.accept_queue_max), Tone::Quiet),
        number(drops, Tone::Alarm),
        (listener.service.as_ref().map_or_else(|| "-".to_owned(), KeyValue::shown), Tone::Plain),
    ]
}

/// The share of retransmits, and the counters that indicate problems.
fn trouble(
    out: &mut OutputWriter<impl Write>,
    summary: &SummaryDocument<'_>,
    layout: TableLayout,
) -> io::Result<()> {
    let trouble = &summary.trouble;
    let seconds = summary.document.interval_s.unwrap_or_default();
    let span = match trouble.basis {
        Basis::Interval => super::stats::span(Basis::Interval, seconds),
        _ => super::stats::span(Basis::Total, 0.0),
    };
    let mut text = Aligned::new(&[], 0);
    match (trouble.retrans_segs, trouble.all_sent) {
        (Some(again), Some(sent)) => {
            let mut line = format!(
                "Retransmitted by the host {span}: {} of {}",
                human::grouped(again),
                human::counted(sent, "segment")
            );
            if let Some(ratio) = trouble.retrans_ratio {
                line.push_str(", ");
                human::share(ratio, &mut line);
            }
            text.text(0, &line, tone(trouble.retrans_ratio));
        }
        _ => text.text(0, "Retransmits: the counters could not be read", Tone::Warn),
    }
    if trouble.counters.is_empty() {
        text.text(0, &format!("No counter of trouble grew {span}"), Tone::Quiet);
    } else {
        let short = |name: &str| name.strip_prefix("TcpExt").unwrap_or(name).to_owned();
        // The share of retransmits has a line of its own.
        let others = trouble.counters.iter().filter(|it| it.name != "TcpRetransSegs");
        let mut items: Vec<String> = others
            .map(|it| format!("{} {}", short(it.name), human::grouped(it.events())))
            .collect();
        let width = layout.width.unwrap_or(usize::MAX);
        if let Some(first) = items.first_mut() {
            first.insert_str(0, &format!("Counters of trouble {span}: "));
        }
        let lines = fold(&items, width.saturating_sub(4));
        let is_cut = lines.len() > COUNTER_LINES;
        for (at, line) in lines.iter().take(COUNTER_LINES).enumerate() {
            let more = if is_cut && at + 1 == COUNTER_LINES { " …" } else { "" };
            text.text(0, &format!("{line}{more}"), Tone::Plain);
        }
    }
    text.write(out, layout.width, layout.style)
}

/// The same thresholds as everywhere.
fn tone(ratio: Option<f64>) -> Tone {
    let threshold = Ratio::named("retransmission").map(Ratio::threshold).unwrap_or_default();
    match ratio.map(|ratio| threshold.verdict(|limit| ratio > limit)) {
        Some(Verdict::Critical) => Tone::Alarm,
        Some(Verdict::Warn) => Tone::Warn,
        _ => Tone::Plain,
    }
}
