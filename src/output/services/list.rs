//! The list of services: a line for each, and unusual figures below it.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr as _;

use super::{counted, ranged, safe, share, span};
use crate::attribution::{KindRow, Limited, Listen, RetransmitKind, ServiceRow};
use crate::counters::Ratio;
use crate::identity::ServiceBasis;
use crate::model::{Role, State};
use crate::output::aligned::{Aligned, Cell};
use crate::output::shorten::shorten;
use crate::output::wrap::fold;
use crate::output::{Align, OutputWriter, TableLayout, Tone, human};
use crate::report::{ServiceEntry, ServiceOrder, Services};

/// From this width on, the main line holds everything.
const WIDE: usize = 110;
/// Below this width, the main line has no rates.
const NARROW: usize = 80;
/// The indentation of the lines below a service's name.
const INDENT: usize = 4;

/// What the question mark of names says.
const PORT_NAMES: &str =
    "name?: the usual name of the port; which program serves it is not known here.";

/// How much fits into the main line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Density {
    Narrow,
    Usual,
    Wide,
}

impl Density {
    fn of(width: Option<usize>) -> Self {
        match width {
            Some(width) if width < NARROW => Self::Narrow,
            Some(width) if width < WIDE => Self::Usual,
            _ => Self::Wide,
        }
    }

    fn columns(self) -> Vec<(&'static str, Align)> {
        let mut columns = vec![("SERVICE", Align::Left), ("ROLE", Align::Left)];
        let mut numbers = vec!["ESTAB"];
        if self == Self::Wide {
            numbers.extend(["OPENED", "CLOSED"]);
        }
        if self != Self::Narrow {
            numbers.extend(["IN/S", "OUT/S"]);
        }
        if self == Self::Wide {
            numbers.push("RTTMIN");
        }
        numbers.extend(["RTT50", "RTT99", "RETRANS", "RATIO"]);
        columns.extend(numbers.into_iter().map(|title| (title, Align::Right)));
        columns
    }
}

/// Writes the first `top` services.
pub(super) fn list(
    out: &mut OutputWriter<impl Write>,
    services: &Services<'_>,
    layout: TableLayout,
    top: usize,
    order: ServiceOrder,
) -> io::Result<()> {
    let density = Density::of(layout.width);
    let mut table = Aligned::new(&density.columns(), 0).shrinkable(0);
    let count = services.services.len();
    if count == 0 {
        table.text(0, "No TCP service was seen.", Tone::Quiet);
        return table.write(out, layout.width, layout.style);
    }
    let order = if count > 1 { format!(", {}", order.words()) } else { String::new() };
    let heading = counted(count as u64, "service", "services");
    table.heading(&format!("{heading}{}{order}", span(services)));
    table.titles();
    let seconds = services.document.interval_s;
    let shown = services.services.iter().take(top);
    let lines: Vec<_> = shown.map(|entry| (entry, main_line(entry, seconds, density))).collect();
    let names = name_width(&lines, density, layout.width);
    for (entry, line) in lines {
        table.row(line);
        let name = safe(&entry.key.label());
        if name.width() > names {
            table.text(
                INDENT,
                &shorten(&name, super::text_width(layout.width, INDENT)),
                Tone::Quiet,
            );
        }
        below(&mut table, services, entry, layout.width);
    }
    if count > top {
        let text = format!("and {} more; --top {count} shows all", count - top);
        table.text(0, &text, Tone::Quiet);
    }
    let mut all = services.services.iter().take(top);
    if all.any(|entry| entry.key.basis == ServiceBasis::PortName) {
        table.text(0, PORT_NAMES, Tone::Quiet);
    }
    table.write(out, layout.width, layout.style)
}

/// The width that the numbers leave for names; longer names are repeated below.
fn name_width(
    lines: &[(&ServiceEntry<'_>, Vec<Cell>)],
    density: Density,
    limit: Option<usize>,
) -> usize {
    let mut table = Aligned::new(&density.columns(), 0).shrinkable(0);
    table.titles();
    lines.iter().for_each(|(_, line)| table.row(line.clone()));
    table.width(0, limit)
}

fn main_line(entry: &ServiceEntry<'_>, seconds: Option<f64>, density: Density) -> Vec<Cell> {
    let row = entry.row;
    let mut cells = vec![
        (entry.key.label().into_owned(), Tone::Plain),
        (role(entry.key.role).to_owned(), Tone::Quiet),
        number(in_state(row, State::Established)),
    ];
    if density == Density::Wide {
        cells.extend([number(row.opened), number(row.closed)]);
    }
    if density != Density::Narrow {
        cells.extend([rate(row.bytes_in(), seconds), rate(row.bytes_out(), seconds)]);
    }
    if density == Density::Wide {
        cells.push(time(row.min_rtt()));
    }
    let tone = ratio_tone(row.retrans_ratio());
    let (retransmits, quiet) = number(row.retrans_segs());
    let loud = |quiet: Tone| if tone == Tone::Plain { quiet } else { tone };
    cells.extend([
        time(row.rtt.quantile(0.5)),
        time(row.rtt.quantile(0.99)),
        (retransmits, loud(quiet)),
        row.retrans_ratio().map_or_else(absent, |ratio| (share(ratio), loud(quiet))),
    ]);
    cells
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Server | Role::Listener => "server",
        Role::Client => "client",
        Role::Unknown => "?",
    }
}

fn in_state(row: &ServiceRow, wanted: State) -> u64 {
    row.connections().find(|(state, _)| *state == wanted).map_or(0, |(_, count)| count)
}

fn number(value: u64) -> Cell {
    (human::grouped(value), if value == 0 { Tone::Quiet } else { Tone::Plain })
}

/// A value that the kernel does not report.
fn absent() -> Cell {
    ("-".to_owned(), Tone::Quiet)
}

fn rate(bytes: Option<u64>, seconds: Option<f64>) -> Cell {
    let seconds = seconds.filter(|seconds| *seconds > 0.0);
    let Some((bytes, seconds)) = bytes.zip(seconds) else { return absent() };
    let mut text = String::new();
    human::bit_rate(bytes as f64 / seconds, &mut text);
    (text, if bytes == 0 { Tone::Quiet } else { Tone::Plain })
}

fn time(microseconds: Option<u64>) -> Cell {
    let Some(microseconds) = microseconds else { return absent() };
    let mut text = String::new();
    human::microseconds(microseconds, &mut text);
    (text, Tone::Plain)
}

/// The same thresholds as for the host.
fn ratio_tone(ratio: Option<f64>) -> Tone {
    let limits = Ratio::named("retransmission").map(Ratio::threshold).unwrap_or_default();
    let above = |limit: Option<f64>| ratio.zip(limit).is_some_and(|(ratio, limit)| ratio > limit);
    match (above(limits.warn), above(limits.critical)) {
        (_, true) => Tone::Alarm,
        (true, false) => Tone::Warn,
        (false, false) => Tone::Plain,
    }
}

/// Figures shown below the main line.
fn below(
    table: &mut Aligned,
    services: &Services<'_>,
    entry: &ServiceEntry<'_>,
    width: Option<usize>,
) {
    let (row, seconds) = (entry.row, services.document.interval_s);
    for line in fold(&retransmits(entry), super::text_width(width, INDENT)) {
        table.text(INDENT, &line, Tone::Quiet);
    }
    let details = details(row, seconds, Density::of(width));
    if !details.is_empty() {
        table.text(INDENT, &details.join("; "), Tone::Quiet);
    }
    if let Some(text) = row.limited().and_then(limited) {
        table.text(INDENT, &text, Tone::Quiet);
    }
    if let Some(listen) = row.listen().filter(|listen| listen.drops > 0) {
        table.text(INDENT, &discarded(services, entry, &listen), Tone::Alarm);
    }
}

/// What its listeners discarded, for whatever reason, and how much of it was refused connections.
fn discarded(services: &Services<'_>, entry: &ServiceEntry<'_>, listen: &Listen) -> String {
    let drops = counted(listen.drops, "segment", "segments");
    let counter = services
        .attribution
        .iter()
        .find(|counter| &*counter.attribution.counter == "TcpExtListenDrops");
    let part = counter.and_then(|counter| {
        counter.parts().find(|part| std::ptr::eq(part.key, entry.key)).map(|part| part.estimate)
    });
    let refused = match part {
        Some(part) => format!("{} of them refused connections (ListenDrops)", ranged(part)),
        None if services.quality.is_unread("TcpExtListenDrops") => {
            "how many of them refused connections is not known".to_owned()
        }
        None => "none of them a refused connection (ListenDrops)".to_owned(),
    };
    format!("{drops} discarded by the listener (sk_drops), {refused}; {}", queue(listen))
}

fn details(row: &ServiceRow, seconds: Option<f64>, density: Density) -> Vec<String> {
    let mut details = Vec::new();
    if density == Density::Narrow {
        let (inward, outward) = (rate(row.bytes_in(), seconds).0, rate(row.bytes_out(), seconds).0);
        details.push(format!("in/s {inward}, out/s {outward}"));
    }
    if density != Density::Wide && row.opened + row.closed > 0 {
        let (opened, closed) = (human::grouped(row.opened), human::grouped(row.closed));
        details.push(format!("{opened} opened, {closed} closed"));
    }
    details.extend(others(row));
    if density != Density::Wide {
        details.extend(least(row));
    }
    let waiting = |listen: &Listen| listen.accept_queue > 0 && listen.drops == 0;
    details.extend(row.listen().filter(waiting).map(|listen| queue(&listen)));
    details
}

fn queue(listen: &Listen) -> String {
    let (now, most) =
        (human::grouped(listen.accept_queue), human::grouped(listen.accept_queue_max));
    format!("accept queue {now} of {most}")
}

/// `3 time_wait, 14 close_wait`: connections that are not established.
fn others(row: &ServiceRow) -> Option<String> {
    let others = row.connections().filter(|(state, _)| *state != State::Established);
    let others: Vec<String> = others
        .map(|(state, count)| format!("{} {}", human::grouped(count), state.name()))
        .collect();
    (!others.is_empty()).then(|| others.join(", "))
}

/// The shortest round-trip time, if the current one is far above it: packets queue somewhere.
fn least(row: &ServiceRow) -> Option<String> {
    const FAR: u64 = 2;
    let (least, usual) = row.min_rtt().zip(row.rtt.quantile(0.5))?;
    (usual >= least.saturating_mul(FAR)).then(|| format!("shortest RTT {}", time(Some(least)).0))
}

fn limited(limited: Limited) -> Option<String> {
    const NEGLIGIBLE: f64 = 0.01;
    let Limited { rwnd, sndbuf, busy } = limited;
    (rwnd.max(sndbuf) >= NEGLIGIBLE).then(|| {
        format!(
            "sending time: {} limited by peer's window, {} by send buffer, {} neither",
            share(rwnd),
            share(sndbuf),
            share(busy)
        )
    })
}

/// `retransmits: 25 fast`, `5 [4-6] by timeout`; nothing if there are none.
fn retransmits(entry: &ServiceEntry<'_>) -> Vec<String> {
    let Some(kinds) = entry.kinds.filter(|kinds| kinds.total > 0) else { return Vec::new() };
    let mut parts: Vec<String> = parts(&kinds, entry.key.role).collect();
    if let Some(first) = parts.first_mut() {
        first.insert_str(0, "retransmits: ");
    }
    parts
}

fn parts(kinds: &KindRow, role: Role) -> impl Iterator<Item = String> {
    let known = RetransmitKind::ALL.map(|kind| (kinds.kind(kind), words(kind, role)));
    let all = known.into_iter().chain([(kinds.failed, "could not be sent")]);
    let had = all.filter(|(estimate, _)| estimate.value > 0);
    had.map(|(estimate, words)| format!("{} {words}", ranged(estimate)))
}

fn words(kind: RetransmitKind, role: Role) -> &'static str {
    match (kind, role) {
        (RetransmitKind::Fast, _) => "fast",
        (RetransmitKind::SlowStart, _) => "in slow start",
        (RetransmitKind::Rto, _) => "by timeout",
        (RetransmitKind::Probe, _) => "as loss probe",
        (RetransmitKind::Syn, Role::Client) => "SYN",
        (RetransmitKind::Syn, Role::Server) => "SYN-ACK",
        (RetransmitKind::Syn, _) => "SYN or SYN-ACK",
    }
}
