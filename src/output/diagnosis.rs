//! Findings for people.

use std::io::{self, Write};

use super::address::endpoint;
use super::aligned::Aligned;
use super::stats::TableLayout;
use super::{OutputWriter, Tone, human};
use crate::model::is_link_local;
use crate::monitor::Interface;
use crate::report::{DiagnosisDocument, ExampleEntry, ExplainedEntry, FindingEntry, MeasureEntry};

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
    out: &mut OutputWriter<impl Write>,
    diagnosis: &DiagnosisDocument<'_>,
    view: DiagnosisView,
    layout: TableLayout,
) -> io::Result<()> {
    let mut text = Aligned::new(&[], 0);
    let (selected, of_host): (Vec<_>, Vec<_>) =
        diagnosis.findings.iter().partition(|finding| finding.selected);
    if selected.iter().all(|finding| finding.severity == "info") {
        let quality = &diagnosis.quality;
        text.heading(match quality.counters_unread + quality.settings_unread {
            0 => "No problem was found",
            _ => "No problem was found in what could be read",
        });
        text.blank();
    }
    write_findings(&mut text, &selected, view);
    if !of_host.is_empty() {
        text.heading("The host, whatever the filter");
        text.text(
            2,
            "These do not count for --fail-on: other connections may cause them.",
            Tone::Quiet,
        );
        text.blank();
        write_findings(&mut text, &of_host, view);
    }
    checked(&mut text, diagnosis);
    text.write(out, layout.width, layout.style)
}

/// Writes findings in full, and those that are only information in one line each.
fn write_findings(text: &mut Aligned, findings: &[&FindingEntry], view: DiagnosisView) {
    let (full, brief): (Vec<&FindingEntry>, Vec<&FindingEntry>) =
        findings.iter().partition(|finding| finding.severity != "info" || view.all);
    for finding in full {
        write_finding(text, finding);
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
    for one in &finding.explains {
        text.text(2, &format!("Explains {}", explained(one)), Tone::Quiet);
    }
    for advice in &finding.advice {
        text.text(2, &format!("-> {}", advice.text), Tone::Plain);
        if let Some(command) = &advice.command {
            text.command(6, command);
        }
    }
    text.text(2, &format!("Other side: {}", finding.other_side), Tone::Quiet);
}

/// `TD202 accept queue growing: 3 connections, rises 5`.
fn explained(one: &ExplainedEntry) -> String {
    let mut line = format!("{} {}", one.code, one.title);
    if let Some(about) = &one.about {
        line.push_str(&format!(", {about}"));
    }
    let mut figures = Vec::new();
    if one.count > 1 {
        figures.push(counted(one.count, "connection"));
    }
    figures.extend(one.evidence.first().map(figure));
    if !figures.is_empty() {
        line.push_str(&format!(": {}", figures.join(", ")));
    }
    line
}

fn example(one: &ExampleEntry, with_evidence: bool) -> String {
    let bound = one.interface.as_ref();
    let zone = bound.map(|it| Interface { index: it.index, name: it.name.as_deref() });
    let mut line = format!("{} ", one.state);
    endpoint(&one.local, zone, &mut line);
    if let Some(remote) = &one.remote {
        line.push_str(" - ");
        endpoint(remote, zone.filter(|_| is_link_local(remote.address)), &mut line);
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
