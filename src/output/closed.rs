//! Connections that ended, one line each.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::column::text;
use super::{
    Align, Column, ColumnKind, LineColumn, LineLayout, LineTable, OutputWriter, Rows, Tone,
    all_columns, find_column, human, json_line,
};
use crate::recording::{full_time, local_time};
use crate::report::{ClosedEnd, ClosedLine, Connection, End};

/// The columns that only connections that ended have.
static ENDED: [Column; 8] = [
    text(
        "closed_at",
        "TIME",
        Align::Left,
        "When it was found to have ended: up to one interval later, RFC 3339 in rows for programs.",
        |c, plain, out| {
            let Some(ended) = c.ended else { return };
            if plain {
                return out.push_str(&full_time(ended.closed_at_ns));
            }
            out.push_str(local_time(ended.closed_at_ns).get(11..19).unwrap_or(""));
        },
    ),
    text(
        "opened_at",
        "OPENED",
        Align::Left,
        "When a poll first showed it; nothing where none did, or the first one did.",
        |c, plain, out| {
            let Some(opened_at_ns) = c.ended.and_then(|ended| ended.opened_at_ns) else { return };
            if plain {
                return out.push_str(&full_time(opened_at_ns));
            }
            out.push_str(local_time(opened_at_ns).get(11..19).unwrap_or(""));
        },
    ),
    text(
        "lifetime_s",
        "LIFE",
        Align::Right,
        "How long it lived, in seconds for programs; `<` and `>`: only a bound is known.",
        lifetime,
    ),
    text(
        "lifetime_low_s",
        "LIFE-MIN",
        Align::Right,
        "It lived at least so long, in seconds.",
        |c, _, out| {
            if let Some(ended) = c.ended {
                let _ = write!(out, "{:.6}", ended.lifetime.low);
            }
        },
    ),
    text(
        "lifetime_high_s",
        "LIFE-MAX",
        Align::Right,
        "It lived at most so long, in seconds; nothing where its beginning was not seen.",
        |c, _, out| {
            if let Some(high) = c.ended.and_then(|ended| ended.lifetime.high) {
                let _ = write!(out, "{high:.6}");
            }
        },
    ),
    text(
        "end",
        "END",
        Align::Left,
        "How it ended: closed, reset, timeout, refused or unknown.",
        |c, _, out| out.push_str(c.ended.map_or("", |ended| ended.end.name())),
    ),
    text(
        "zeroed",
        "ZEROED",
        Align::Left,
        "Whether the kernel zeroed its counters before the end: the figures are the last poll's.",
        |c, _, out| flag(c.ended.is_some_and(|ended| ended.zeroed), out),
    ),
    text(
        "vanished",
        "VANISHED",
        Align::Left,
        "Whether no destroy event came: the figures are the last poll's.",
        |c, _, out| flag(c.ended.is_some_and(|ended| ended.vanished), out),
    ),
];

fn flag(flag: bool, out: &mut String) {
    out.push_str(if flag { "true" } else { "false" });
}

fn lifetime(c: &Connection<'_>, plain: bool, out: &mut String) {
    let Some(ended) = c.ended else { return };
    let lifetime = ended.lifetime;
    let micros = |seconds: f64| (seconds * 1e6) as u64;
    match (lifetime.known(), lifetime.high, plain) {
        (Some(known), _, true) => {
            let _ = write!(out, "{known:.6}");
        }
        (None, _, true) => {}
        (Some(known), _, false) => human::microseconds(micros(known), out),
        (None, Some(high), false) => {
            out.push('<');
            human::microseconds(micros(high), out);
        }
        (None, None, false) => {
            out.push('>');
            human::microseconds(micros(lifetime.low), out);
        }
    }
}

/// The columns of the table: name, header, width and rank.
const TABLE: [(&str, &str, usize, u8); 16] = [
    ("closed_at", "TIME", 8, 12),
    ("netns", "NETNS", 10, 2),
    ("role", "ROLE", 4, 3),
    ("local", "LOCAL", 21, 13),
    ("lport", "LPORT", 5, 2),
    ("remote", "REMOTE", 21, 1),
    ("service", "SERVICE", 12, 5),
    ("process", "PROCESS", 12, 11),
    ("lifetime_s", "LIFE", 7, 6),
    ("bytes_received", "RECV", 6, 7),
    ("bytes_sent", "SENT", 6, 8),
    ("segs_in", "SEGS-IN", 7, 14),
    ("segs_out", "SEGS-OUT", 8, 15),
    ("total_retrans", "RETR", 4, 9),
    ("rtt", "RTT", 6, 10),
    ("end", "END", 7, 4),
];

/// Columns that mean nothing for a connection that ended.
const NOT_ENDED: [&str; 6] =
    ["time", "change", "syn_recv_count", "interval_s", "timer", "accept_queue_max"];

/// Every column of `closed`.
pub fn all_closed_columns() -> impl Iterator<Item = Column> {
    let others = all_columns().filter(|column| !NOT_ENDED.contains(&column.name));
    ENDED.iter().copied().chain(others)
}

/// The column of this name, or of this header of the table.
pub fn find_closed_column(name: &str) -> Option<Column> {
    let by_header = TABLE.iter().find(|(_, header, ..)| header.eq_ignore_ascii_case(name));
    let name = by_header.map_or(name, |(name, ..)| name);
    let own = ENDED.iter().find(|column| column.name == name).copied();
    let other = || find_column(name).filter(|column| !NOT_ENDED.contains(&column.name));
    own.or_else(other)
}

/// Lists the columns of `closed`.
///
/// # Errors
/// Errors of the writer.
pub fn list_closed_columns(out: &mut OutputWriter<impl Write>) -> io::Result<()> {
    for column in all_closed_columns() {
        out.line(format_args!("{:<26} {}", column.name, column.meaning))?;
    }
    Ok(())
}

/// The form of the lines.
#[derive(Debug, Clone)]
pub enum ClosedForm {
    /// Aligned columns: the usual ones, or these.
    Table {
        /// Empty for the usual ones.
        columns: Vec<Column>,
        /// How they look.
        layout: LineLayout,
        /// With the namespace of each.
        many_namespaces: bool,
        /// Whether processes are shown before other columns.
        processes: bool,
    },
    /// JSON.
    JsonLines,
    /// Values that a character separates; empty for all columns.
    Delimited {
        /// The character.
        delimiter: u8,
        /// Empty for all.
        columns: Vec<Column>,
        /// Whether there is a header.
        header: bool,
    },
}

/// Writes connections that ended.
#[derive(Debug)]
pub struct ClosedWriter {
    form: Form,
}

#[derive(Debug)]
enum Form {
    Table(LineTable, Vec<Column>),
    JsonLines,
    Delimited { delimiter: u8, columns: Vec<Column>, header: bool, cell: String },
}

impl ClosedWriter {
    /// Without a line yet.
    pub fn new(form: ClosedForm) -> Self {
        let form = match form {
            ClosedForm::Table { columns, layout, many_namespaces, processes } => {
                let (lines, columns) = table_columns(columns, many_namespaces, processes);
                Form::Table(LineTable::new(lines, layout), columns)
            }
            ClosedForm::JsonLines => Form::JsonLines,
            ClosedForm::Delimited { delimiter, columns, header } => {
                let columns =
                    if columns.is_empty() { all_closed_columns().collect() } else { columns };
                Form::Delimited { delimiter, columns, header, cell: String::new() }
            }
        };
        Self { form }
    }

    /// The headers of columns of the table that do not fit.
    pub fn dropped(&self) -> Vec<&'static str> {
        match &self.form {
            Form::Table(table, _) => table.dropped(),
            Form::JsonLines | Form::Delimited { .. } => Vec::new(),
        }
    }

    /// Writes what comes before the first line.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn begin(&mut self, out: &mut OutputWriter<impl Write>) -> io::Result<()> {
        match &mut self.form {
            Form::Table(table, _) => table.header(out),
            Form::Delimited { delimiter, columns, header: true, .. } => {
                Rows::to(out, *delimiter).titles(columns.iter().map(Column::key))
            }
            Form::Delimited { .. } | Form::JsonLines => Ok(()),
        }
    }

    /// Writes one connection.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn row(
        &mut self,
        out: &mut OutputWriter<impl Write>,
        row: &Connection<'_>,
    ) -> io::Result<()> {
        match &mut self.form {
            Form::Table(table, columns) => table.row(out, |number| {
                let Some(column) = columns.get(number) else { return Default::default() };
                let mut cell = String::new();
                column.write(row, false, &mut cell);
                if cell.is_empty() {
                    cell.push('-');
                }
                (cell, tone(column, row))
            }),
            Form::JsonLines => json_line(out, &ClosedLine(row)),
            Form::Delimited { delimiter, columns, cell, .. } => {
                let mut rows = Rows::to(out, *delimiter);
                for column in columns.iter() {
                    cell.clear();
                    column.write(row, true, cell);
                    match column.kind {
                        ColumnKind::Text(_) if column.align == Align::Left => {
                            rows.put_text(cell)?
                        }
                        _ => rows.put_number(cell)?,
                    }
                }
                rows.end_row()
            }
        }
    }

    /// Writes what comes after the last line.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn end(
        &mut self,
        out: &mut OutputWriter<impl Write>,
        end: &ClosedEnd<'_>,
    ) -> io::Result<()> {
        match self.form {
            Form::JsonLines => json_line(out, end),
            Form::Table(..) | Form::Delimited { .. } => Ok(()),
        }
    }
}

fn tone(column: &Column, row: &Connection<'_>) -> Tone {
    match (column.name, row.ended.map(|ended| ended.end)) {
        ("end", Some(End::Reset | End::Refused)) => Tone::Warn,
        ("end", Some(End::Timeout)) => Tone::Alarm,
        ("end", _) => Tone::Quiet,
        _ => column.tone(row),
    }
}

/// The columns of the table.
fn table_columns(
    asked: Vec<Column>,
    netns: bool,
    processes: bool,
) -> (Vec<LineColumn>, Vec<Column>) {
    if asked.is_empty() {
        let usual = TABLE.iter().filter(|(name, ..)| netns || *name != "netns");
        let usual = usual.filter_map(|(name, header, width, rank)| {
            let column = find_closed_column(name)?;
            let (header, align) = (*header, column.align);
            let (is_address, width) = (column.is_address(), *width);
            let rank = if processes && *name == "process" { 1 } else { *rank };
            Some((LineColumn { header, align, width, is_address, rank }, column))
        });
        return usual.unzip();
    }
    let width = |column: &Column| {
        let usual = TABLE.iter().find(|(name, ..)| *name == column.name);
        usual.map_or(8, |(.., width, _)| *width).max(column.header.len())
    };
    let line = |column: &Column| LineColumn {
        header: column.header,
        align: column.align,
        width: width(column),
        is_address: column.is_address(),
        rank: 0,
    };
    (asked.iter().map(line).collect(), asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name_and_by_header() {
        for (name, header, ..) in TABLE {
            assert_eq!(find_closed_column(name).map(|it| it.name), Some(name), "{name}");
            assert_eq!(find_closed_column(header).map(|it| it.name), Some(name), "{header}");
        }
        let names: Vec<&str> = all_closed_columns().map(|column| column.name).collect();
        let different: std::collections::HashSet<&&str> = names.iter().collect();
        assert_eq!(names.len(), different.len());
        assert!(names.iter().all(|name| find_closed_column(name).is_some()));
        assert!(find_closed_column("change").is_none());
    }

    #[test]
    fn the_table_fits() {
        for (width, least) in [(60, 5), (80, 9), (100, 11), (120, 12), (160, 15)] {
            let (lines, _) = table_columns(Vec::new(), false, false);
            let layout = LineLayout {
                width: Some(width),
                screen: None,
                header: true,
                shorten: true,
                style: crate::output::Style::new(false),
            };
            let table = LineTable::new(lines, layout);
            assert!(
                TABLE.len() - 1 - table.dropped().len() >= least,
                "{width}: {:?}",
                table.dropped()
            );
        }
    }
}
