//! Settings, as tables and as CSV.

use std::io::{self, Write};

use super::aligned::Aligned;
use super::stats::TableLayout;
use super::{Align, OutputWriter, RowCell, Rows, Tone, human};
use crate::report::{SettingRow, SysctlDocument};

/// Writes contradictions, then settings by group, with their meanings if `meanings` is true.
///
/// # Errors
/// Errors of the writer.
pub fn sysctl(
    out: &mut OutputWriter<impl Write>,
    document: &SysctlDocument<'_>,
    meanings: bool,
    layout: TableLayout,
) -> io::Result<()> {
    let columns = [
        ("NET.", Align::Left),
        ("VALUE", Align::Left),
        ("DEFAULT", Align::Left),
        ("", Align::Left),
        ("", Align::Left),
    ];
    let mut table = Aligned::new(&columns, 2);
    if document.warnings.is_empty() {
        table.heading("Nothing contradicts");
    } else {
        table.heading("What contradicts");
    }
    for warning in &document.warnings {
        let tone = if warning.severity == "warning" { Tone::Warn } else { Tone::Quiet };
        table.text(2, &format!("{}: {}", warning.severity, warning.text), tone);
        table.text(4, &format!("-> {}", warning.advice), Tone::Plain);
    }
    table.blank();
    memory(&mut table, document);
    let mut group = "";
    for row in &document.settings {
        if group.is_empty() {
            table.titles();
        }
        if group != row.group {
            group = row.group;
            table.heading(&capitalised(group));
        }
        setting(&mut table, row, meanings);
    }
    table.write(out, layout.width, layout.style)
}

/// Writes settings as CSV, after a header line if `header` is true.
///
/// # Errors
/// Errors of the writer.
pub fn sysctl_csv(
    out: &mut OutputWriter<impl Write>,
    document: &SysctlDocument<'_>,
    header: bool,
) -> io::Result<()> {
    let titles = ["netns", "name", "group", "scope", "value", "default"];
    let mut rows = Rows::begin(out, header.then_some(&titles))?;
    let netns = document.document.netns.as_ref().map(|netns| netns.inode);
    for row in &document.settings {
        rows.row([
            netns.into(),
            row.name.into(),
            row.group.into(),
            row.scope.into(),
            row.value.as_deref().map_or(RowCell::Empty, cell),
            row.default.map_or(RowCell::Empty, cell),
        ])?;
    }
    rows.flush()
}

/// A number stays one, also a negative one.
fn cell(text: &str) -> RowCell<'_> {
    text.parse::<i64>().map_or_else(|_| text.into(), RowCell::from)
}

/// TCP's use of memory, if it was asked for.
fn memory(table: &mut Aligned, document: &SysctlDocument<'_>) {
    let usage = document.usage;
    let about_memory = document.settings.iter().any(|row| row.name == "net.ipv4.tcp_mem");
    if let (Some(used), Some([low, pressure, most])) =
        (usage.memory_bytes, usage.memory_limits_bytes)
        && about_memory
    {
        let size = |bytes: u64| {
            let mut text = String::new();
            human::bytes(bytes, &mut text);
            text
        };
        let text = format!(
            "TCP uses {} of memory: free below {}, pressure above {}, refused above {}.",
            size(used),
            size(low),
            size(pressure),
            size(most)
        );
        table.text(0, &text, Tone::Plain);
        table.blank();
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn setting(table: &mut Aligned, row: &SettingRow, meanings: bool) {
    const INDENT: usize = 6;
    let (value, tone) = match (&row.value, &row.error) {
        (Some(value), _) if value.is_empty() => ("(empty)".to_owned(), Tone::Quiet),
        (Some(value), _) if row.changed == Some(true) => (value.clone(), Tone::Warn),
        (Some(value), _) => (value.clone(), Tone::Plain),
        (None, Some(error)) => (format!("({error})"), Tone::Warn),
        (None, None) => ("(not here)".to_owned(), Tone::Quiet),
    };
    let default = match (row.changed, row.default) {
        (Some(false), _) => "=".to_owned(),
        (_, Some("")) => "(empty)".to_owned(),
        (_, Some(default)) => default.to_owned(),
        (_, None) => "varies".to_owned(),
    };
    let scope = if row.scope == "host" { "host" } else { "" };
    table.row(vec![
        (row.name.strip_prefix("net.").unwrap_or(row.name).to_owned(), Tone::Plain),
        (value, tone),
        (default, Tone::Quiet),
        (scope.to_owned(), Tone::Quiet),
        (row.readable.clone().unwrap_or_default(), Tone::Quiet),
    ]);
    if meanings {
        table.text(INDENT, row.meaning, Tone::Plain);
        if let Some(varies) = row.varies {
            table.text(INDENT, &format!("Default: {varies}."), Tone::Quiet);
        }
    }
}
