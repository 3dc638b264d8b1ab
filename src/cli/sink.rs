//! Where rows go.

use std::io::{self, Write};

use super::output::{Format, OutputArgs};
use crate::output::{Column, Delimited, JsonLines, JsonStream, Layout, Style, Table, detail};
use crate::report::{Connection, Cost, Document, Quality, RowEnd};
use crate::sys::terminal_size;

/// What a command calls its documents.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schema {
    pub(super) document: &'static str,
    pub(super) row: &'static str,
    pub(super) end: &'static str,
    pub(super) rows: &'static str,
}

/// How a sample is written, besides its form.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    pub(super) schema: Schema,
    /// The first sample has headers.
    pub(super) first: bool,
    /// Documents of a stream take one line each.
    pub(super) repeats: bool,
}

/// One sample being written.
pub(super) enum Sink<'a, W: Write> {
    Table(Table<W>),
    Detail { writer: W, width: usize, style: Style },
    Json(JsonStream<W>),
    JsonLines(JsonLines<'a, W>, Schema),
    Delimited(Delimited<W>),
}

impl<'a, W: Write> Sink<'a, W> {
    /// Begins a sample.
    pub(super) fn begin(
        writer: W,
        output: &OutputArgs,
        manner: Manner,
        columns: &[Column],
        layout: Layout,
        document: &Document<'a>,
    ) -> io::Result<Self> {
        let Manner { schema, first, repeats } = manner;
        Ok(match output.output {
            Format::Table if output.detail => Self::Detail {
                writer,
                width: terminal_size().map_or(80, |(columns, _)| usize::from(columns)),
                style: layout.style,
            },
            Format::Table => Self::Table(Table::new(writer, columns.to_vec(), layout)),
            Format::Json => Self::Json(JsonStream::begin(writer, document, schema.rows, repeats)?),
            Format::Jsonl => {
                let lines = JsonLines::new(writer, schema.row, document.captured_at.clone());
                Self::JsonLines(lines, schema)
            }
            Format::Csv | Format::Tsv => {
                let delimiter = if output.output == Format::Csv { b',' } else { b'\t' };
                let header = first && !output.no_header;
                Self::Delimited(Delimited::begin(writer, delimiter, columns.to_vec(), header)?)
            }
        })
    }

    /// Writes one row.
    pub(super) fn row(&mut self, connection: &Connection<'_>) -> io::Result<()> {
        match self {
            Self::Table(table) => table.row(connection),
            Self::Detail { writer, width, style } => detail(writer, connection, *width, *style),
            Self::Json(stream) => stream.row(connection),
            Self::JsonLines(lines, _) => lines.row(connection),
            Self::Delimited(rows) => rows.row(connection),
        }
    }

    /// Ends the sample; tells how many rows a table had no room for.
    pub(super) fn end(self, shown: u64, quality: &Quality, cost: Cost) -> io::Result<(W, usize)> {
        let mut unseen = 0;
        let writer = match self {
            Self::Table(table) => {
                let (writer, rows) = table.end()?;
                unseen = rows;
                writer
            }
            Self::Detail { writer, .. } => writer,
            Self::Json(stream) => stream.end(quality, cost)?,
            Self::JsonLines(lines, schema) => {
                lines.end(&RowEnd { schema: schema.end, shown, quality, cost })?
            }
            Self::Delimited(rows) => rows.end()?,
        };
        Ok((writer, unseen))
    }
}
