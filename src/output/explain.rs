//! Explanations: for people a name, what it is, and labelled paragraphs; for programs CSV.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::stats::TableLayout;
use super::{OutputWriter, Rows, SafeText, Tone, human};
use crate::counters::{Bound, Healthy, Twin, TwinClass};
use crate::output::wrap::wrap;
use crate::recording::localised;
use crate::report::{Explanation, LimitEntry, Recorded, RecordedValue, RulePage};

/// The column at which paragraphs begin.
const INDENT: usize = 2;
/// The column at which the text after a label begins.
const LABELLED: usize = 15;

/// The label of a paragraph that continues the one above.
const NOTHING: &str = " ";

/// Writes one explanation.
///
/// # Errors
/// Errors of the writer.
pub fn explanation(
    out: &mut OutputWriter<impl Write>,
    entry: &Explanation,
    layout: TableLayout,
) -> io::Result<()> {
    let (before, after) = layout.style.heading();
    let kind = kind(entry);
    let mut head = SafeText::default();
    head.push_own(before);
    head.push(&entry.name);
    head.push_own(after);
    if layout.width.is_some_and(|width| entry.name.width() + 2 + kind.width() > width) {
        head.end_line();
    }
    head.push_spaces(INDENT);
    head.push_toned(&kind, Tone::Quiet, layout.style);
    head.end_line();
    out.text(&head)?;
    paragraph(out, "", &entry.meaning, layout)?;
    if let Some(recorded) = &entry.recorded {
        paragraph(out, "Recorded", &recorded_text(recorded), layout)?;
    }
    let mut labelled = |label: &str, text: Option<&str>| match text {
        Some(text) if !text.is_empty() => paragraph(out, label, text, layout),
        _ => Ok(()),
    };
    let begins = matches!(entry.kind, "state" | "timer");
    labelled(if begins { "Begins with" } else { "Counted in" }, entry.trigger.as_deref())?;
    labelled("Suggests", entry.suggests.as_deref())?;
    labelled("Healthy", entry.healthy.as_ref().map(healthy).as_deref())?;
    labelled("Check", entry.check.as_deref())?;
    labelled("Per socket", entry.twin.as_ref().map(twin).as_deref())?;
    labelled("Source", entry.source.as_deref())?;
    let is_ratio = entry.kind == "ratio";
    labelled(if is_ratio { "Thresholds" } else { "Default" }, entry.default.as_deref())?;
    labelled("Also called", Some(&entry.aliases.join(", ")))?;
    labelled("Renamed to", entry.renamed_to.as_deref())?;
    entry.rule.as_ref().map_or(Ok(()), |page| rule(out, page, layout))
}

/// Writes explanations as CSV.
///
/// # Errors
/// Errors of the writer.
pub fn explanation_csv(
    out: &mut OutputWriter<impl Write>,
    entries: &[&Explanation],
) -> io::Result<()> {
    let titles = ["name", "kind", "category", "meaning", "suggests", "check", "since"];
    let mut rows = Rows::begin(out, Some(&titles))?;
    for entry in entries {
        rows.row([
            (&*entry.name).into(),
            entry.kind.into(),
            (&*entry.category).into(),
            (&*entry.meaning).into(),
            entry.suggests.as_deref().into(),
            entry.check.as_deref().into(),
            entry.since.as_deref().into(),
        ])?;
    }
    rows.flush()
}

/// The parts of an explanation that only rules have.
fn rule(
    out: &mut OutputWriter<impl Write>,
    page: &RulePage,
    layout: TableLayout,
) -> io::Result<()> {
    paragraph(out, "Says", page.title, layout)?;
    paragraph(out, "Goes by", page.evidence, layout)?;
    paragraph(out, "Guards", page.guards, layout)?;
    paragraph(out, "Seen from", page.seen_from, layout)?;
    paragraph(out, "Other side", page.other_side, layout)?;
    for (index, advice) in page.advice.iter().enumerate() {
        paragraph(out, if index == 0 { "What to do" } else { NOTHING }, &advice.text, layout)?;
        if let Some(command) = &advice.command {
            let mut line = SafeText::default();
            line.push_spaces(LABELLED + 2);
            line.push_toned(command, Tone::Good, layout.style);
            line.end_line();
            out.text(&line)?;
        }
    }
    for (index, limit) in page.limits.iter().enumerate() {
        let LimitEntry { key, value, unit, meaning, .. } = limit;
        let text = format!("{key} = {value} {unit}{}: {meaning}", origin(limit));
        paragraph(out, if index == 0 { "Limits" } else { NOTHING }, &text, layout)?;
    }
    if !page.explained_by.is_empty() {
        let text = format!("{}, where one of them sees the same", page.explained_by.join(", "));
        paragraph(out, "Leaves it to", &text, layout)?;
    }
    paragraph(out, "References", &page.references.join("; "), layout)
}

/// ` (set in /etc/tcpdiag/config.toml; usually 0.3)`, or nothing for a default.
pub(super) fn origin(limit: &LimitEntry) -> String {
    let set = limit.set_in.as_ref();
    set.map_or_else(String::new, |file| format!(" (set in {file}; usually {})", limit.default))
}

/// `1,234 at 2026-11-21T04:45:00Z`.
fn recorded_text(recorded: &Recorded) -> String {
    let value = match &recorded.value {
        RecordedValue::Number(number) if *number < 0 => number.to_string(),
        RecordedValue::Number(number) => human::grouped(number.unsigned_abs()),
        RecordedValue::Text(text) if text.is_empty() => "empty".to_owned(),
        RecordedValue::Text(text) => text.clone(),
    };
    format!("{value} at {}", localised(&recorded.captured_at))
}

/// `counter of retransmission, in segments, since Linux 4.19`.
fn kind(entry: &Explanation) -> String {
    let mut text = entry.kind.to_owned();
    if let Some(movement) = entry.movement.filter(|movement| *movement != entry.kind) {
        text.push_str(&format!(" ({movement})"));
    }
    if entry.category.strip_suffix('s') != Some(entry.kind) {
        text.push_str(&format!(" of {}", entry.category));
    }
    if let Some(unit) = &entry.unit {
        text.push_str(&format!(", in {unit}"));
    }
    if entry.scope == Some("host") {
        text.push_str(", of the whole host");
    }
    match (entry.since.as_deref(), entry.until.as_deref()) {
        (None | Some("3.10"), None) => {}
        (None | Some("3.10"), Some(until)) => text.push_str(&format!(", before Linux {until}")),
        (Some(since), None) => text.push_str(&format!(", since Linux {since}")),
        (Some(since), Some(until)) => text.push_str(&format!(", Linux {since} to before {until}")),
    }
    text
}

fn healthy(healthy: &Healthy) -> String {
    let mut share = String::new();
    human::share(healthy.max, &mut share);
    let limit = match &healthy.of {
        Some(of) => format!("up to {share} of {of}"),
        None if healthy.max > 0.0 => format!("up to {} per interval", healthy.max),
        None => "not at all".to_owned(),
    };
    let ratio = healthy.ratio.as_ref().map(|id| format!(" (ratio {id})")).unwrap_or_default();
    format!("{limit}{ratio}. {}", healthy.reason)
}

fn twin(twin: &Twin) -> String {
    let class = match (twin.class, twin.bound) {
        (TwinClass::Exact, _) => "exact",
        (TwinClass::Bounded, Some(Bound::AtLeast)) => "at least the sum of",
        (TwinClass::Bounded, _) => "at most the sum of",
        (TwinClass::Proxy, _) => "hinted at by",
        (TwinClass::None, _) => return format!("none. {}", twin.relation),
    };
    let since = twin.since.map_or_else(String::new, |since| format!(" (Linux {since} and later)"));
    format!("{class} {}{since}. {}", twin.fields.join(", "), twin.relation)
}

fn paragraph(
    out: &mut OutputWriter<impl Write>,
    label: &str,
    text: &str,
    layout: TableLayout,
) -> io::Result<()> {
    let from = if label.is_empty() { INDENT } else { LABELLED };
    let mut lines = SafeText::default();
    let width = layout.width.unwrap_or(usize::MAX).saturating_sub(from);
    for (index, line) in wrap(text, width).into_iter().enumerate() {
        if index == 0 && !label.is_empty() {
            lines.push_spaces(INDENT);
            lines.push_toned(label, Tone::Quiet, layout.style);
            lines.push_spaces(LABELLED.saturating_sub(INDENT + label.len()));
        } else {
            lines.push_spaces(from);
        }
        lines.push(&line);
        lines.end_line();
    }
    out.text(&lines)
}
