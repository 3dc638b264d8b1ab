//! Sockets as CSV and as tab-separated values.

use std::io::{self, Write};

use super::{Column, ColumnKind, OutputWriter, Rows};
use crate::report::Connection;

/// A stream of rows with the given columns.
pub struct Delimited<W: Write> {
    rows: Rows<W>,
    columns: Vec<Column>,
    cell: String,
}

impl<W: Write> Delimited<W> {
    /// Separates cells with `delimiter`; writes a header line if `header` is true.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn begin(
        writer: OutputWriter<W>,
        delimiter: u8,
        columns: Vec<Column>,
        header: bool,
    ) -> io::Result<Self> {
        let mut rows = Rows::of(writer, delimiter);
        if header {
            rows.titles(columns.iter().map(Column::key))?;
        }
        Ok(Self { rows, columns, cell: String::new() })
    }

    /// Writes one row.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn row(&mut self, connection: &Connection<'_>) -> io::Result<()> {
        for column in &self.columns {
            self.cell.clear();
            column.write(connection, true, &mut self.cell);
            match column.kind {
                ColumnKind::Text(_) => self.rows.put_text(&self.cell)?,
                _ => self.rows.put_number(&self.cell)?,
            }
        }
        self.rows.end_row()
    }

    /// Flushes what is buffered.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn end(self) -> io::Result<OutputWriter<W>> {
        self.rows.end()
    }
}
