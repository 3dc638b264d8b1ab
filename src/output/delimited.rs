//! Rows as CSV (RFC 4180) and as tab-separated values, in base units.

use std::io::{self, Write};

use super::{Column, escape};
use crate::report::Connection;

/// A stream of rows with the given columns.
pub struct Delimited<W: Write> {
    writer: csv::Writer<W>,
    columns: Vec<Column>,
    cell: String,
}

impl<W: Write> Delimited<W> {
    /// Separates cells with `delimiter`; writes a header line if `header` is true.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn begin(writer: W, delimiter: u8, columns: Vec<Column>, header: bool) -> io::Result<Self> {
        let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(writer);
        if header {
            writer.write_record(columns.iter().map(Column::key))?;
        }
        Ok(Self { writer, columns, cell: String::new() })
    }

    /// Writes one row.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn row(&mut self, connection: &Connection<'_>) -> io::Result<()> {
        for column in &self.columns {
            self.cell.clear();
            column.write(connection, true, &mut self.cell);
            self.writer.write_field(escape::text(&self.cell).as_ref())?;
        }
        self.writer.write_record(None::<&[u8]>)?;
        Ok(())
    }

    /// Flushes what is buffered.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn end(self) -> io::Result<W> {
        self.writer.into_inner().map_err(|error| error.into_error())
    }
}
