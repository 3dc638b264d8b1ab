//! A comparison with a baseline, for people.

use std::io::{self, Write};

use super::aligned::Aligned;
use super::stats::TableLayout;
use super::{Align, OutputWriter, Rows, Tone, human, json_line};
use crate::recording::localised;
use crate::report::{ChangeRow, ComparisonDocument, StatsLine};

/// Writes it, but only the first `limit` changes.
///
/// # Errors
/// Errors of the writer.
pub fn comparison(
    out: &mut OutputWriter<impl Write>,
    compared: &ComparisonDocument<'_>,
    limit: usize,
    layout: TableLayout,
) -> io::Result<()> {
    let columns = [
        ("COUNTER", Align::Left),
        ("BEFORE/S", Align::Right),
        ("AFTER/S", Align::Right),
        ("BEFORE/1K", Align::Right),
        ("AFTER/1K", Align::Right),
        ("CHANGE", Align::Right),
    ];
    let mut table = Aligned::new(&columns, 0);
    heading(&mut table, compared);
    table.blank();
    if compared.changes.is_empty() {
        table.text(0, "No counter counted anything on either side.", Tone::Quiet);
    } else {
        table.titles();
    }
    for row in compared.changes.iter().take(limit) {
        let cells = [
            row.name.clone(),
            compact(row.before.per_second),
            compact(row.after.per_second),
            compact(row.before.per_1000_segments),
            compact(row.after.per_1000_segments),
            factor(row),
        ];
        table.row(cells.into_iter().map(|text| (text, Tone::Plain)).collect());
    }
    table.write(out, layout.width, layout.style)?;
    if compared.changes.len() > limit {
        out.line(format_args!("and {} more; --all shows them", compared.changes.len() - limit))?;
    }
    Ok(())
}

/// Writes a line of JSON for each change.
///
/// # Errors
/// Errors of the writer.
pub fn comparison_jsonl(
    out: &mut OutputWriter<impl Write>,
    compared: &ComparisonDocument<'_>,
) -> io::Result<()> {
    let captured_at = compared.document.captured_at.as_str();
    let netns = compared.document.netns.as_ref().map(|netns| netns.inode);
    compared.changes.iter().try_for_each(|row| {
        let schema = "tcpdiag.stats.comparison.row/1";
        json_line(&mut *out, &StatsLine { schema, captured_at, netns, row })
    })
}

/// Writes a row for each change, after a header line.
///
/// # Errors
/// Errors of the writer.
pub fn comparison_csv(
    out: &mut OutputWriter<impl Write>,
    compared: &ComparisonDocument<'_>,
) -> io::Result<()> {
    let titles = [
        "name",
        "category",
        "before",
        "before_per_second",
        "before_per_1000_segments",
        "after",
        "after_per_second",
        "after_per_1000_segments",
        "factor",
    ];
    let mut rows = Rows::begin(out, Some(&titles))?;
    for ChangeRow { name, category, before, after, factor } in &compared.changes {
        rows.row([
            (&**name).into(),
            (&**category).into(),
            before.count.into(),
            before.per_second.into(),
            before.per_1000_segments.into(),
            after.count.into(),
            after.per_second.into(),
            after.per_1000_segments.into(),
            (*factor).into(),
        ])?;
    }
    rows.flush()
}

/// What is compared, and reasons to doubt the comparison.
fn heading(table: &mut Aligned, compared: &ComparisonDocument<'_>) {
    let side = |seconds: f64, segments: u64| {
        let mut text = String::new();
        human::microseconds((seconds * 1e6) as u64, &mut text);
        format!("{text} with {} segments", human::grouped(segments))
    };
    let before = side(compared.before.seconds, compared.before.segments);
    let after = side(compared.after.seconds, compared.after.segments);
    let text = if compared.span == "since" {
        format!("Before: from boot to the baseline, {before}. After: since the baseline, {after}.")
    } else {
        format!("Before: the baseline since its boot, {before}. After: here since boot, {after}.")
    };
    let text = format!("{text} /1K is per thousand of those segments, and so is the change.");
    table.heading(&format!(
        "Compared with {} of {}",
        compared.baseline.hostname,
        localised(&compared.baseline.captured_at)
    ));
    table.text(0, &text, Tone::Plain);
    for difference in &compared.differences {
        table.text(0, &format!("note: {difference}"), Tone::Warn);
    }
    if !compared.backwards.is_empty() {
        let text = format!("went backwards, left out: {}", compared.backwards.join(", "));
        table.text(0, &text, Tone::Warn);
    }
}

/// `0.004`, `12.5`, `9,999`, `123k`, `4.57M`.
fn compact(value: Option<f64>) -> String {
    const STEPS: [(f64, &str); 3] = [(1e9, "G"), (1e6, "M"), (1e3, "k")];
    let Some(value) = value else { return "-".to_owned() };
    match STEPS.iter().find(|(size, _)| value >= *size && value >= 1e4) {
        Some((size, unit)) => format!("{}{unit}", human::rate(value / size)),
        None => human::rate(value),
    }
}

/// `x3.2`, `new`, `gone`, `same`.
fn factor(row: &ChangeRow) -> String {
    match row.factor {
        _ if row.before.count == 0 => "new".to_owned(),
        _ if row.after.count == 0 => "gone".to_owned(),
        None => "-".to_owned(),
        Some(factor) if (0.995..1.005).contains(&factor) => "same".to_owned(),
        Some(factor) if factor >= 100.0 => format!("x{}", human::grouped(factor.round() as u64)),
        Some(factor) if factor >= 10.0 => format!("x{factor:.0}"),
        Some(factor) if factor >= 0.1 => format!("x{factor:.2}"),
        Some(factor) => format!("x{factor:.4}"),
    }
}
