//! Flat rows for databases: CSV, and JSON lines whose numbers are numbers.

use std::io::{self, Write};

use serde::ser::{SerializeMap as _, Serializer as _};

use super::json::SafeFormatter;
use super::{OutputWriter, RowCell, Rows};
use crate::report::{INTERVAL_ROW, IntervalColumn, IntervalRow, Value};

/// Formats of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flat {
    /// One JSON object per line.
    JsonLines,
    /// RFC 4180, with a header.
    Csv,
}

/// A table that is being written, row by row.
pub struct Intervals<W: Write> {
    sink: Sink<W>,
    columns: Vec<&'static IntervalColumn>,
}

enum Sink<W: Write> {
    JsonLines(OutputWriter<W>),
    Csv(Box<Rows<W>>),
}

impl<W: Write> Intervals<W> {
    /// Begins a table with these columns.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn begin(
        writer: OutputWriter<W>,
        form: Flat,
        columns: Vec<&'static IntervalColumn>,
    ) -> io::Result<Self> {
        let sink = match form {
            Flat::JsonLines => Sink::JsonLines(writer),
            Flat::Csv => {
                let mut rows = Rows::of(writer, b',');
                rows.titles(columns.iter().map(|column| &*column.name))?;
                Sink::Csv(Box::new(rows))
            }
        };
        Ok(Self { sink, columns })
    }

    /// Writes one row.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn row(&mut self, row: &IntervalRow<'_>) -> io::Result<()> {
        match &mut self.sink {
            Sink::JsonLines(writer) => {
                let mut serializer =
                    serde_json::Serializer::with_formatter(writer.raw(), SafeFormatter::default());
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("schema", INTERVAL_ROW)?;
                for column in &self.columns {
                    let name = &*column.name;
                    match column.read(row) {
                        Value::Absent => {}
                        Value::Unset => map.serialize_entry(name, &())?,
                        Value::Text(text) => map.serialize_entry(name, &*text)?,
                        Value::Integer(value) => map.serialize_entry(name, &value)?,
                        Value::Number(value) => map.serialize_entry(name, &value)?,
                        Value::Flag(flag) => map.serialize_entry(name, &flag)?,
                    }
                }
                map.end()?;
                writer.raw().write_all(b"\n")
            }
            Sink::Csv(rows) => rows.row(self.columns.iter().map(|column| match column.read(row) {
                Value::Absent | Value::Unset => RowCell::Empty,
                Value::Text(text) => RowCell::Text(text),
                Value::Integer(value) => value.into(),
                Value::Number(value) => value.into(),
                Value::Flag(flag) => RowCell::Flag(flag),
            })),
        }
    }

    /// Ends the table.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn end(self) -> io::Result<OutputWriter<W>> {
        match self.sink {
            Sink::JsonLines(writer) => Ok(writer),
            Sink::Csv(rows) => rows.end(),
        }
    }
}

impl<W: Write> std::fmt::Debug for Intervals<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intervals").field("columns", &self.columns.len()).finish_non_exhaustive()
    }
}
