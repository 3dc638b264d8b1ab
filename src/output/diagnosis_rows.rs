//! Findings as lines of JSON and as CSV.

use std::io::{self, Write};

use serde::Serialize;

use super::{escape, json_line};
use crate::report::{Checked, Cost, DiagnosisDocument, FindingEntry, Quality};

/// A finding.
#[derive(Serialize)]
struct Line<'a> {
    schema: &'static str,
    captured_at: &'a str,
    #[serde(flatten)]
    finding: &'a FindingEntry,
}

/// The last line.
#[derive(Serialize)]
struct End<'a> {
    schema: &'static str,
    captured_at: &'a str,
    shown: usize,
    checked: &'a Checked,
    quality: &'a Quality,
    cost: Cost,
}

/// Writes a line of JSON for each finding, and a last one.
///
/// # Errors
/// Errors of the writer.
pub fn diagnosis_jsonl(out: &mut impl Write, diagnosis: &DiagnosisDocument<'_>) -> io::Result<()> {
    let captured_at = diagnosis.document.captured_at.as_str();
    for finding in &diagnosis.findings {
        let schema = "tcpdiag.diagnose.row/1";
        json_line(&mut *out, &Line { schema, captured_at, finding })?;
    }
    let end = End {
        schema: "tcpdiag.diagnose.end/1",
        captured_at,
        shown: diagnosis.findings.len(),
        checked: &diagnosis.checked,
        quality: &diagnosis.quality,
        cost: diagnosis.cost,
    };
    json_line(out, &end)
}

/// Writes a row for each finding, after a header line.
///
/// # Errors
/// Errors of the writer.
pub fn diagnosis_csv(out: &mut impl Write, diagnosis: &DiagnosisDocument<'_>) -> io::Result<()> {
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
    for finding in &diagnosis.findings {
        let evidence = finding.evidence.iter();
        let evidence: Vec<String> =
            evidence.map(|one| format!("{}={} {}", one.field, one.value, one.unit)).collect();
        writer.serialize((
            &diagnosis.document.captured_at,
            finding.netns.or(diagnosis.document.netns.as_ref().map(|netns| netns.inode)),
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
    writer.flush()
}
