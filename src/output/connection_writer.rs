//! Writes the rows of one sample of `conns` or `listeners` in any form.

use std::io::{self, Write};

use super::{Column, Delimited, JsonLines, JsonStream, Layout, OutputWriter, Style, Table, detail};
use crate::report::{Connection, Cost, Document, Quality, RowEnd};

/// What a command calls its documents.
#[derive(Debug, Clone, Copy)]
pub struct RowSchema {
    /// A whole document.
    pub document: &'static str,
    /// A row on a line of its own.
    pub row: &'static str,
    /// The last line after such rows.
    pub end: &'static str,
    /// The array of rows in a document.
    pub rows: &'static str,
}

/// The form in which rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowForm {
    /// Aligned columns.
    Table(Layout),
    /// Everything about each socket.
    Detail {
        /// Lines wrap at this width.
        width: usize,
        /// Colours.
        style: Style,
    },
    /// One JSON document.
    Json {
        /// Whether it takes one line only, as documents of a stream do.
        one_line: bool,
    },
    /// One JSON object per row and line.
    JsonLines,
    /// Values that a character separates.
    Delimited {
        /// The character.
        delimiter: u8,
        /// Whether to write a header line.
        header: bool,
    },
}

/// One sample that is being written.
pub enum ConnectionWriter<W: Write> {
    /// See [`RowForm::Table`].
    Table(Table<W>),
    /// See [`RowForm::Detail`].
    Detail {
        /// Where it is written.
        writer: OutputWriter<W>,
        /// Lines wrap at this width.
        width: usize,
        /// Colours.
        style: Style,
    },
    /// See [`RowForm::Json`].
    Json(JsonStream<W>),
    /// See [`RowForm::JsonLines`].
    JsonLines(Box<JsonLines<'static, W>>, RowSchema),
    /// See [`RowForm::Delimited`].
    Delimited(Box<Delimited<W>>),
}

impl<W: Write> ConnectionWriter<W> {
    /// Begins a sample.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn begin(
        writer: OutputWriter<W>,
        form: RowForm,
        schema: RowSchema,
        columns: &[Column],
        document: &Document<'_>,
    ) -> io::Result<Self> {
        Ok(match form {
            RowForm::Table(layout) => Self::Table(Table::new(writer, columns.to_vec(), layout)),
            RowForm::Detail { width, style } => Self::Detail { writer, width, style },
            RowForm::Json { one_line } => {
                Self::Json(JsonStream::begin(writer, document, schema.rows, one_line)?)
            }
            RowForm::JsonLines => {
                let lines = JsonLines::new(writer, schema.row, document.captured_at.clone());
                Self::JsonLines(Box::new(lines), schema)
            }
            RowForm::Delimited { delimiter, header } => {
                let columns = columns.to_vec();
                Self::Delimited(Box::new(Delimited::begin(writer, delimiter, columns, header)?))
            }
        })
    }

    /// Writes one row.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn row(&mut self, connection: &Connection<'_>) -> io::Result<()> {
        match self {
            Self::Table(table) => table.row(connection),
            Self::Detail { writer, width, style } => detail(writer, connection, *width, *style),
            Self::Json(stream) => stream.row(connection),
            Self::JsonLines(lines, _) => lines.row(connection),
            Self::Delimited(rows) => rows.row(connection),
        }
    }

    /// Ends the sample. Returns the writer, and how many rows exceeded the height of a table.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn end(
        self,
        shown: u64,
        quality: &Quality,
        cost: Cost,
    ) -> io::Result<(OutputWriter<W>, usize)> {
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
