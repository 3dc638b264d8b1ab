//! Findings as lines of JSON and as CSV.

use std::io::{self, Write};

use serde::Serialize;

use super::{OutputWriter, RowCell, Rows, json_line};
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
pub fn diagnosis_jsonl(
    out: &mut OutputWriter<impl Write>,
    diagnosis: &DiagnosisDocument<'_>,
) -> io::Result<()> {
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
pub fn diagnosis_csv(
    out: &mut OutputWriter<impl Write>,
    diagnosis: &DiagnosisDocument<'_>,
) -> io::Result<()> {
    let titles = [
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
        "selected",
    ];
    let mut rows = Rows::begin(out, Some(&titles))?;
    for finding in &diagnosis.findings {
        let evidence = finding.evidence.iter();
        let evidence: Vec<String> =
            evidence.map(|one| format!("{}={} {}", one.field, one.value, one.unit)).collect();
        rows.row([
            (&*diagnosis.document.captured_at).into(),
            finding.netns.or(diagnosis.document.netns.as_ref().map(|netns| netns.inode)).into(),
            finding.code.into(),
            finding.name.into(),
            finding.severity.into(),
            finding.confidence.into(),
            finding.scope.into(),
            (&*finding.subject.text).into(),
            finding.subject.count.into(),
            evidence.join("; ").into(),
            (&*finding.cause).into(),
            RowCell::Flag(finding.selected),
        ])?;
    }
    rows.flush()
}
