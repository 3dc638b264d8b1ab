//! Counters and verdicts for people.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::aligned::{Aligned, Cell};
use super::{Align, OutputWriter, Style, Tone, human};
use crate::counters::{Catalogue, Estimate, Kind, Retransmits, Threshold, Verdict};
use crate::report::{Basis, CounterRow, Note, Outcome, RatioRow, Stats};

/// Width and colours of the output.
#[derive(Debug, Clone, Copy)]
pub struct TableLayout {
    /// Width in columns; `None` for no limit.
    pub width: Option<usize>,
    /// Colours.
    pub style: Style,
}

/// From this width on, meanings fit beside the numbers.
const WIDE: usize = 110;

/// Writes verdicts, then the counters for which `shown` is true. `brief` leaves out healthy ratios.
///
/// # Errors
/// Errors of the writer.
pub fn stats(
    out: &mut OutputWriter<impl Write>,
    stats: &Stats<'_>,
    layout: TableLayout,
    brief: bool,
    shown: impl Fn(&CounterRow) -> bool,
) -> io::Result<()> {
    verdicts(out, stats, layout, brief)?;
    if let Some(kinds) = stats.retransmits_by_kind.filter(|kinds| kinds.total > 0) {
        let mut line = Aligned::new(&[], 0);
        line.text(0, &retransmits(&kinds), Tone::Plain);
        line.blank();
        line.write(out, layout.width, layout.style)?;
    }
    counters(out, stats, layout, shown)
}

/// The period of deltas and verdicts, in words.
pub(super) fn span(basis: Basis, seconds: f64) -> String {
    let mut text = match basis {
        Basis::Total => return "since boot".to_owned(),
        Basis::LastRun => "since the last run, ".to_owned(),
        Basis::Interval => "in the last ".to_owned(),
        Basis::WholeRun => "in the whole run of ".to_owned(),
    };
    human::microseconds((seconds * 1e6) as u64, &mut text);
    if basis == Basis::LastRun {
        text.push_str(" ago");
    }
    text
}

fn seconds(stats: &Stats<'_>) -> f64 {
    stats.since.as_ref().map_or(0.0, |since| since.seconds)
}

fn verdicts(
    out: &mut OutputWriter<impl Write>,
    stats: &Stats<'_>,
    layout: TableLayout,
    brief: bool,
) -> io::Result<()> {
    if stats.ratios.is_empty() {
        return Ok(());
    }
    let columns = [
        ("", Align::Left),
        ("RATIO", Align::Left),
        ("VALUE", Align::Right),
        ("OF", Align::Left),
        ("LIMIT", Align::Left),
    ];
    let mut table = Aligned::new(&columns, 0);
    let counts = stats.ratios.iter().any(|ratio| ratio.worst().verdict > Verdict::NoData);
    let of = span(stats.basis, seconds(stats));
    let mut ratios: Vec<&RatioRow> = stats.ratios.iter().collect();
    ratios.sort_by_key(|ratio| std::cmp::Reverse(ratio.worst().verdict));
    let bad = ratios.iter().filter(|ratio| ratio.worst().verdict > Verdict::Ok).count();
    let heading = match (bad, counts) {
        (0, _) if stats.quality.common.counters_unread > 0 => {
            "Nothing that could be read needs attention"
        }
        (0, false) => "Too little happened for a verdict",
        (0, true) => "Nothing needs attention",
        _ => "What needs attention",
    };
    table.heading(&format!("{heading} ({of})"));
    if counts && (bad > 0 || !brief) {
        table.titles();
    }
    for ratio in ratios.iter().filter(|ratio| ratio.worst().verdict > Verdict::Ok) {
        attention(&mut table, ratio, stats);
    }
    let with = |verdict: Verdict| {
        ratios.iter().copied().filter(move |ratio| ratio.worst().verdict == verdict)
    };
    let (healthy, unknown) = (with(Verdict::Ok).count(), with(Verdict::NoData).count());
    if brief {
        let unread = with(Verdict::NoData).filter(|ratio| ratio.is_unread()).count();
        let few = unknown - unread;
        let mut text = format!("Healthy ratios: {healthy}; too little data (no_data): {few}.");
        if unread > 0 {
            text.insert_str(text.len() - 1, &format!("; could not be read: {unread}"));
        }
        table.text(0, &text, Tone::Quiet);
    } else {
        if bad > 0 && healthy > 0 {
            table.blank();
            table.heading("Healthy");
        }
        with(Verdict::Ok).for_each(|ratio| table.row(ratio_row(ratio, ratio.worst())));
        let (unread, others): (Vec<&RatioRow>, Vec<&RatioRow>) =
            with(Verdict::NoData).partition(|ratio| ratio.is_unread());
        let ids = |rows: &[&RatioRow]| rows.iter().map(|row| row.id).collect::<Vec<_>>().join(", ");
        if !others.is_empty() {
            let text = format!("no_data, too little of it or not counted here: {}", ids(&others));
            table.text(0, &text, Tone::Quiet);
        }
        if !unread.is_empty() {
            let text = format!("no_data, because a counter could not be read: {}", ids(&unread));
            table.text(0, &text, Tone::Warn);
        }
    }
    table.blank();
    table.write(out, layout.width, layout.style)
}

/// An unhealthy ratio: its numbers, its thresholds, what it means and what to do.
fn attention(table: &mut Aligned, ratio: &RatioRow, stats: &Stats<'_>) {
    const INDENT: usize = 10;
    let worst = ratio.worst();
    table.row(ratio_row(ratio, worst));
    if worst.basis != stats.basis {
        table.text(INDENT, &format!("({})", span(worst.basis, seconds(stats))), Tone::Quiet);
    }
    let counted = format!(
        "{} of {}; {}",
        names(ratio.numerator_counters),
        names(ratio.denominator_counters),
        threshold(ratio.threshold)
    );
    table.text(INDENT, &counted, Tone::Quiet);
    table.text(INDENT, ratio.meaning, Tone::Plain);
    table.text(INDENT, &format!("-> {}", ratio.advice), Tone::Plain);
    if let Some(command) = ratio.command {
        table.command(INDENT + 4, command);
    }
}

fn names(counters: &[String]) -> String {
    counters.join(" + ")
}

fn ratio_row(ratio: &RatioRow, outcome: &Outcome) -> Vec<Cell> {
    let mut value = String::new();
    outcome.value.iter().for_each(|share| human::share(*share, &mut value));
    let number = |events: Option<u64>| events.map_or_else(|| "?".to_owned(), human::grouped);
    let of = format!("{} of {}", number(outcome.numerator), number(outcome.denominator));
    let limit = ratio.threshold.warn.or(ratio.threshold.critical);
    let limit = limit.map_or_else(String::new, percent);
    vec![
        (outcome.verdict.name().to_owned(), tone(outcome.verdict)),
        (ratio.title.to_owned(), Tone::Plain),
        (value, tone(outcome.verdict)),
        (of, Tone::Plain),
        (limit, Tone::Quiet),
    ]
}

fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Critical => Tone::Alarm,
        Verdict::Warn => Tone::Warn,
        Verdict::Ok => Tone::Good,
        Verdict::NoData => Tone::Quiet,
    }
}

/// `warn above 1%, critical above 5%`.
pub fn threshold(threshold: Threshold) -> String {
    match (threshold.warn, threshold.critical) {
        (Some(warn), Some(critical)) => {
            format!("warn above {}, critical above {}", percent(warn), percent(critical))
        }
        (Some(warn), None) => format!("warn above {}", percent(warn)),
        (None, Some(critical)) => format!("critical above {}", percent(critical)),
        (None, None) => "no limit".to_owned(),
    }
}

/// A configured share with all its digits: `0.001%`, `5%`.
pub(super) fn percent(share: f64) -> String {
    format!("{}%", (share * 1e8).round() / 1e6)
}

/// The kinds of retransmits, in a sentence.
fn retransmits(kinds: &Retransmits) -> String {
    let part = |name: &str, estimate: Estimate| {
        let mut text = format!("{} {name}", human::grouped(estimate.value));
        if estimate.low < estimate.high {
            let _ = write!(
                text,
                " ({} to {})",
                human::grouped(estimate.low),
                human::grouped(estimate.high)
            );
        }
        text
    };
    format!(
        "Retransmits by kind: {}, {}, {}, {}, {}; {} in all.",
        part("fast", kinds.fast),
        part("in slow start", kinds.slow_start),
        part("by timeout", kinds.rto),
        part("loss probes", kinds.probe),
        part("SYN or SYN-ACK", kinds.syn),
        human::grouped(kinds.total)
    )
}

fn counters(
    out: &mut OutputWriter<impl Write>,
    stats: &Stats<'_>,
    layout: TableLayout,
    shown: impl Fn(&CounterRow) -> bool,
) -> io::Result<()> {
    let growth = match stats.since.as_ref().map(|since| since.basis) {
        None | Some(Basis::Total) => "",
        Some(Basis::LastRun) => "SINCE LAST RUN",
        Some(Basis::Interval | Basis::WholeRun) => "GROWTH",
    };
    let rate = if growth.is_empty() { "" } else { "PER SECOND" };
    let columns = [
        ("COUNTER", Align::Left),
        ("TOTAL", Align::Right),
        (growth, Align::Right),
        (rate, Align::Right),
        ("", Align::Left),
    ];
    let mut table = Aligned::new(&columns, 2);
    let roomy = layout.width.is_none_or(|width| width >= WIDE);
    let mut category: Option<&str> = None;
    for row in stats.counters.iter().filter(|row| shown(row)) {
        if category.is_none() {
            table.titles();
        }
        if category != Some(&row.category) {
            table.heading(title(&row.category));
            category = Some(&row.category);
        }
        table.row(counter_row(row, roomy));
    }
    if table.is_empty() {
        let text = if growth == "GROWTH" { "No counter moved." } else { "No such counter is set." };
        table.text(0, text, Tone::Quiet);
    }
    table.write(out, layout.width, layout.style)
}

/// A category's title; categories of other protocols are not in the catalogue.
fn title(category: &str) -> &str {
    if let Some(known) = Catalogue::builtin().category(category) {
        return &known.title;
    }
    match category {
        "unknown" => "Not in the catalogue",
        "sockstat" => "Sockets",
        "ip4" => "IPv4, basic counters",
        "ip6" => "IPv6",
        "icmp" => "ICMP",
        "icmp6" => "ICMPv6",
        "udp" => "UDP",
        "udp6" => "UDP over IPv6",
        other => other,
    }
}

fn counter_row(row: &CounterRow, roomy: bool) -> Vec<Cell> {
    let signed = |value: i64| {
        let sign = if value < 0 { "-" } else { "" };
        format!("{sign}{}", human::grouped(value.unsigned_abs()))
    };
    let mut delta = row.delta.map_or_else(String::new, |delta| match delta {
        0 => "0".to_owned(),
        delta if delta > 0 => format!("+{}", signed(delta)),
        delta => signed(delta),
    });
    match row.note {
        Some(Note::Backwards) => delta = "went back".to_owned(),
        Some(Note::Wrapped) => delta.push_str(" (wrapped)"),
        None => {}
    }
    let tone = match (row.note, row.delta) {
        (Some(Note::Backwards), _) => Tone::Warn,
        (_, Some(0)) => Tone::Quiet,
        _ => Tone::Plain,
    };
    let mut aside = Vec::new();
    if row.kind == Kind::Gauge {
        aside.push("gauge");
    }
    aside.extend(row.scope.map(|_| "of the host"));
    let mut aside = aside.join(", ");
    if let (true, Some(meaning)) = (roomy, row.meaning) {
        if !aside.is_empty() {
            aside.push_str(": ");
        }
        aside.push_str(meaning);
    }
    vec![
        (row.name.clone(), Tone::Plain),
        (signed(row.value), Tone::Plain),
        (delta, tone),
        (row.rate.map_or_else(String::new, |rate| rate_text(row.kind, rate)), tone),
        (aside, Tone::Quiet),
    ]
}

fn rate_text(kind: Kind, rate: f64) -> String {
    match kind {
        Kind::Counter => human::rate(rate),
        Kind::Gauge => String::new(),
    }
}
