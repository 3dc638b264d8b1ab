//! How a diagnosis is written.

use std::io::{self, BufWriter, Write as _};

use serde::Serialize;

use super::DiagnoseCommand;
use crate::cli::exit::say;
use crate::cli::look::Form;
use crate::cli::summary;
use crate::output::{Telling, diagnosis, escape, human, json_line};
use crate::report::{Cost, DiagnosisDocument, FindingEntry, Quality};

/// A line of `-o jsonl`.
#[derive(Serialize)]
struct Line<'a> {
    schema: &'static str,
    captured_at: &'a str,
    #[serde(flatten)]
    finding: &'a FindingEntry,
}

/// The last line of `-o jsonl`.
#[derive(Serialize)]
struct End<'a> {
    schema: &'static str,
    captured_at: &'a str,
    shown: usize,
    checked: &'a crate::report::Checked,
    quality: &'a Quality,
    cost: Cost,
}

pub(super) fn write(command: &DiagnoseCommand, told: &DiagnosisDocument<'_>) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout());
    match command.look.output {
        Form::Table => {
            diagnosis(&mut out, told, Telling { all: command.all }, command.look.look())?;
        }
        Form::Json => json_line(&mut out, told)?,
        Form::Jsonl => {
            let captured_at = told.document.captured_at.as_str();
            for finding in &told.findings {
                let schema = "tcpdiag.diagnose.row/1";
                json_line(&mut out, &Line { schema, captured_at, finding })?;
            }
            let end = End {
                schema: "tcpdiag.diagnose.end/1",
                captured_at,
                shown: told.findings.len(),
                checked: &told.checked,
                quality: &told.quality,
                cost: told.cost,
            };
            json_line(&mut out, &end)?;
        }
        Form::Csv => csv(&mut out, told)?,
    }
    out.flush()?;
    if told.quality.events_lost > 0 {
        let lost = human::grouped(told.quality.events_lost);
        say(format_args!(
            "tcpdiag: {lost} notices of deaths were lost: what those sockets did last is not judged"
        ));
    }
    for line in summary::warnings(&told.quality) {
        say(format_args!("tcpdiag: {line}"));
    }
    Ok(())
}

fn csv(out: &mut impl io::Write, told: &DiagnosisDocument<'_>) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record([
        "time",
        "netns",
        "code",
        "name",
        "severity",
        "confidence",
        "scope",
        "subject",
        "count",
        "evidence",
        "cause",
    ])?;
    for finding in &told.findings {
        let evidence = finding.evidence.iter();
        let evidence: Vec<String> =
            evidence.map(|one| format!("{}={} {}", one.field, one.value, one.unit)).collect();
        writer.serialize((
            &told.document.captured_at,
            finding.netns.or(told.document.netns.as_ref().map(|netns| netns.inode)),
            finding.code,
            finding.name,
            finding.severity,
            finding.confidence,
            finding.scope,
            escape::text(&finding.subject.text),
            finding.subject.count,
            evidence.join("; "),
            &finding.cause,
        ))?;
    }
    Ok(writer.flush()?)
}
