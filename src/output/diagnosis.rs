//! Findings for people.

use std::io::{self, Write};

use super::aligned::Aligned;
use super::stats::TableLayout;
use super::{Tone, human};
use crate::report::{DiagnosisDocument, ExampleEntry, FindingEntry, MeasureEntry};

/// Examples shown in addition to the worst one's evidence.
const EXAMPLES: usize = 3;

/// How much of a diagnosis is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiagnosisView {
    /// Show findings of severity information in full, instead of one line each.
    pub all: bool,
}

/// Writes findings, worst first, and what was checked.
///
/// # Errors
/// Errors of the writer.
pub fn diagnosis(
    out: &mut impl Write,
    diagnosis: &DiagnosisDocument<'_>,
    view: DiagnosisView,
    layout: TableLayout,
) -> io::Result<()> {
    let mut text = Aligned::new(&[], 0);
    let (full, brief): (Vec<_>, Vec<_>) =
        diagnosis.findings.iter().partition(|finding| finding.severity != "info" || view.all);
    if diagnosis.findings.iter().all(|finding| finding.severity == "info") {
        text.heading("No problem was found");
        text.blank();
    }
    for finding in full {
        write_finding(&mut text, finding);
        text.blank();
    }
    if !brief.is_empty() {
        text.heading("For information");
        for finding in brief {
            text.text(2, &headline(finding), Tone::Plain);
        }
        text.text(2, "(`--all` shows these in full)", Tone::Quiet);
        text.blank();
    }
    checked(&mut text, diagnosis);
    text.write(out, layout.width, layout.style)
}

fn headline(finding: &FindingEntry) -> String {
    format!("{} {}: {}", finding.code, finding.subject.text, finding.title)
}

fn write_finding(text: &mut Aligned, finding: &FindingEntry) {
    let tone = match finding.severity {
        "critical" => Tone::Alarm,
        "warning" => Tone::Warn,
        _ => Tone::Plain,
    };
    text.text(0, &format!("{} {}", finding.severity.to_uppercase(), headline(finding)), tone);
    let evidence: Vec<String> = finding.evidence.iter().map(figure).collect();
    let sure = match finding.confidence {
        "high" => "",
        "medium" => "; likely",
        _ => "; possible",
    };
    text.text(2, &format!("{}{sure}", evidence.join(", ")), Tone::Plain);
    let more = finding.subject.examples.len() > 1;
    for one in finding.subject.examples.iter().take(EXAMPLES) {
        text.text(4, &example(one, more), Tone::Quiet);
    }
    let left = finding.subject.count.saturating_sub(EXAMPLES as u64);
    if left > 0 && more {
        text.text(4, &format!("and {} more", human::grouped(left)), Tone::Quiet);
    }
    text.text(2, &finding.cause, Tone::Plain);
    for advice in &finding.advice {
        text.text(2, &format!("-> {}", advice.text), Tone::Plain);
        if let Some(command) = &advice.command {
            text.text(6, command, Tone::Good);
        }
    }
    text.text(2, &format!("Other side: {}", finding.other_side), Tone::Quiet);
}

fn example(one: &ExampleEntry, with_evidence: bool) -> String {
    let end = |end: &crate::model::Endpoint| {
        let mut text = String::new();
        super::address::address(&end.address, &mut text);
        if end.address.is_ipv6() {
            format!("[{text}]:{}", end.port)
        } else {
            format!("{text}:{}", end.port)
        }
    };
    let mut line = format!("{} {}", one.state, end(&one.local));
    if let Some(remote) = &one.remote {
        line.push_str(&format!(" - {}", end(remote)));
    }
    for process in &one.processes {
        line.push_str(&format!(" {}({})", process.comm, process.pid));
    }
    if let (true, Some(first)) = (with_evidence, one.evidence.first()) {
        let figure = amount(first.value, first.unit);
        line.push_str(&format!("  {} {figure}", first.field));
    }
    line
}

/// `rtt 181ms (at most 12ms expected)`.
fn figure(measure: &MeasureEntry) -> String {
    let mut text = format!("{} {}", measure.field, amount(measure.value, measure.unit));
    if let Some(threshold) = measure.threshold {
        text.push_str(&format!(" (limit {})", amount(threshold, measure.unit)));
    }
    if measure.basis == "lifetime" {
        text.push_str(" over its life");
    }
    text
}

fn amount(value: f64, unit: &str) -> String {
    let whole = value.max(0.0).round() as u64;
    let mut text = String::new();
    match unit {
        "share" => human::share(value, &mut text),
        "us" => human::microseconds(whole, &mut text),
        "ms" => human::microseconds(whole.saturating_mul(1000), &mut text),
        "s" => human::microseconds((value * 1e6) as u64, &mut text),
        "B/s" => human::bit_rate(value, &mut text),
        "bytes" => human::bytes(whole, &mut text),
        "per second" => return format!("{}/s", human::rate(value)),
        "flag" => return if value > 0.0 { "on".to_owned() } else { "off".to_owned() },
        _ => return human::grouped(whole),
    }
    text
}

fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", human::grouped(count), if count == 1 { "" } else { "s" })
}

fn checked(text: &mut Aligned, diagnosis: &DiagnosisDocument<'_>) {
    let checked = &diagnosis.checked;
    let mut time = String::new();
    let seconds = diagnosis.document.interval_s.unwrap_or(0.0);
    human::microseconds((seconds * 1e6) as u64, &mut time);
    let line = format!(
        "Checked {} on {} ({} active, {} closed), {} and the host, with {} samples in {time}.",
        counted(checked.rules, "rule"),
        counted(checked.connections, "connection"),
        human::grouped(checked.active),
        human::grouped(checked.closed),
        counted(checked.listeners, "listener"),
        human::grouped(checked.looks.into()),
    );
    text.text(0, &line, Tone::Quiet);
    if checked.unjudged > 0 {
        let line = format!(
            "{} closed connections were not checked, because there were too many.",
            human::grouped(checked.unjudged)
        );
        text.text(0, &line, Tone::Warn);
    }
}
