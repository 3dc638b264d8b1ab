//! Flat rows for databases: CSV, and JSON lines whose numbers are numbers.

use std::io::{self, Write};

use serde::ser::{SerializeMap as _, Serializer as _};

use super::escape;
use super::json::SafeFormatter;
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
    cell: String,
}

enum Sink<W: Write> {
    JsonLines(W),
    Csv(Box<csv::Writer<W>>),
}

impl<W: Write> Intervals<W> {
    /// Begins a table with these columns.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn begin(writer: W, form: Flat, columns: Vec<&'static IntervalColumn>) -> io::Result<Self> {
        let sink = match form {
            Flat::JsonLines => Sink::JsonLines(writer),
            Flat::Csv => {
                let mut writer = csv::Writer::from_writer(writer);
                writer.write_record(columns.iter().map(|column| column.name.as_bytes()))?;
                Sink::Csv(Box::new(writer))
            }
        };
        Ok(Self { sink, columns, cell: String::new() })
    }

    /// Writes one row.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn row(&mut self, row: &IntervalRow<'_>) -> io::Result<()> {
        match &mut self.sink {
            Sink::JsonLines(writer) => {
                let mut serializer =
                    serde_json::Serializer::with_formatter(&mut *writer, SafeFormatter::default());
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
                writer.write_all(b"\n")
            }
            Sink::Csv(writer) => {
                for column in &self.columns {
                    self.cell.clear();
                    match column.read(row) {
                        Value::Absent | Value::Unset => {}
                        Value::Text(text) => self.cell.push_str(&escape::text(&text)),
                        Value::Integer(value) => {
                            self.cell.push_str(itoa::Buffer::new().format(value));
                        }
                        Value::Number(value) => {
                            use std::fmt::Write as _;
                            let _ = write!(self.cell, "{value}");
                        }
                        Value::Flag(flag) => {
                            self.cell.push_str(if flag { "true" } else { "false" })
                        }
                    }
                    writer.write_field(&self.cell)?;
                }
                writer.write_record(None::<&[u8]>)?;
                Ok(())
            }
        }
    }

    /// Ends the table.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn end(self) -> io::Result<W> {
        match self.sink {
            Sink::JsonLines(writer) => Ok(writer),
            Sink::Csv(writer) => writer.into_inner().map_err(|error| error.into_error()),
        }
    }
}

impl<W: Write> std::fmt::Debug for Intervals<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intervals").field("columns", &self.columns.len()).finish_non_exhaustive()
    }
}
