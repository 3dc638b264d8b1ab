//! What changed between two recordings, for people.

use std::io::{self, Write};

use super::aligned::Aligned;
use super::stats::TableLayout;
use super::{Align, OutputWriter, Tone, human};
use crate::recording::localised;
use crate::report::{DiffChange, DiffDocument, DiffKind, DiffRow, DiffSide, DiffUnit};

/// Writes it, but only the first `limit` rows of each kind.
///
/// # Errors
/// Errors of the writer.
pub fn diff(
    out: &mut OutputWriter<impl Write>,
    document: &DiffDocument,
    limit: usize,
    layout: TableLayout,
) -> io::Result<()> {
    let mut head = Aligned::new(&[], 0);
    head.text(0, &format!("A  {}", side(&document.a)), Tone::Plain);
    head.text(0, &format!("B  {}", side(&document.b)), Tone::Plain);
    head.blank();
    head.write(out, layout.width, layout.style)?;
    let mut hidden = 0;
    for (kind, heading, [title, a, b]) in [
        (DiffKind::Service, "Services, biggest change first", ["SERVICE", "A", "B"]),
        (DiffKind::Ratio, "Ratios of the host's counters", ["RATIO", "A", "B"]),
        (
            DiffKind::Counter,
            "Counters of the host, biggest change first",
            ["COUNTER", "A, PER SECOND", "B, PER SECOND"],
        ),
    ] {
        let rows: Vec<&DiffRow> = document.changes.iter().filter(|row| row.kind == kind).collect();
        if rows.is_empty() {
            continue;
        }
        let mut columns = vec![
            (title, Align::Left),
            ("MEASURE", Align::Left),
            (a, Align::Right),
            (b, Align::Right),
            ("CHANGE", Align::Right),
            ("SIGMA", Align::Right),
        ];
        // Other kinds have only one measurement.
        let measured = usize::from(kind == DiffKind::Service);
        columns.drain(1..2 - measured);
        let mut table = Aligned::new(&columns, 0).shrinkable(0);
        table.heading(heading);
        table.titles();
        for row in rows.iter().take(limit) {
            let tone = match row.change {
                DiffChange::Same => Tone::Quiet,
                _ => Tone::Plain,
            };
            let role = row.role.map_or_else(String::new, |role| format!(" ({role})"));
            let mut cells = vec![
                row.name.clone(),
                format!("{}{role}", row.measure),
                value(row.a, row.unit),
                value(row.b, row.unit),
                change(row),
                sigma(row),
            ];
            cells.drain(1..2 - measured);
            table.row(cells.into_iter().map(|text| (text, tone)).collect());
        }
        hidden += rows.len().saturating_sub(limit);
        table.blank();
        table.write(out, layout.width, layout.style)?;
    }
    if document.changes.is_empty() {
        out.line("Nothing changed by more than chance.")?;
    }
    if hidden > 0 {
        let hidden = human::grouped(hidden as u64);
        out.line(format_args!("and {hidden} more; --limit shows them"))?;
    }
    if document.same > 0 {
        out.line(format_args!(
            "not shown, differing by less than {} standard deviations: {}; --all shows them",
            document.sigma,
            human::grouped(document.same),
        ))?;
    }
    Ok(())
}

fn side(side: &DiffSide) -> String {
    let mut length = String::new();
    human::microseconds((side.seconds * 1e6) as u64, &mut length);
    let plural = if side.intervals == 1 { "interval" } else { "intervals" };
    format!(
        "{}: {} to {}, {length} in {} {plural}",
        side.file,
        localised(&side.from),
        localised(&side.to),
        human::grouped(side.intervals)
    )
}

fn value(value: Option<f64>, unit: DiffUnit) -> String {
    let Some(value) = value else { return "-".to_owned() };
    let mut text = String::new();
    match unit {
        DiffUnit::PerSecond if value >= 1e5 => {
            return format!("{}k", human::grouped((value / 1e3).round() as u64));
        }
        DiffUnit::PerSecond => return human::rate(value),
        DiffUnit::BytesPerSecond => human::bit_rate(value, &mut text),
        DiffUnit::Share => human::share(value, &mut text),
        DiffUnit::Microseconds => human::microseconds(value.round() as u64, &mut text),
    }
    text
}

/// `x3.2`, `appeared`, `gone`.
fn change(row: &DiffRow) -> String {
    match (row.change, row.factor) {
        (DiffChange::Appeared, _) => "appeared".to_owned(),
        (DiffChange::Gone, _) => "gone".to_owned(),
        (_, None) => "-".to_owned(),
        (_, Some(factor)) if factor >= 100.0 => {
            format!("x{}", human::grouped(factor.round() as u64))
        }
        (_, Some(factor)) if factor >= 10.0 => format!("x{factor:.0}"),
        (_, Some(factor)) if factor >= 0.1 => format!("x{factor:.2}"),
        (_, Some(factor)) => format!("x{factor:.4}"),
    }
}

fn sigma(row: &DiffRow) -> String {
    match row.sigma {
        None => "-".to_owned(),
        Some(sigma) if sigma.abs() >= 99.5 => "> 99".to_owned(),
        Some(sigma) => format!("{:.1}", sigma.abs()),
    }
}
