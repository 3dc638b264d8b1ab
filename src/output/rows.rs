//! Rows as CSV (RFC 4180) and as tab-separated values, in base units.
//!
//! Texts that others choose are escaped as everywhere, and neutralised: a spreadsheet takes a cell
//! that begins with `=`, `+`, `-` or `@` for a formula, so an apostrophe is put before it. (It takes
//! a tab or a carriage return for one too, but these are escaped.) Numbers stay as they are.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use super::{OutputWriter, escape};

/// Longer cells are cut. The longest path that Linux takes has 4,096 bytes, and an escape has up to
/// four characters for each.
const LONGEST: usize = 4 * 4096;

/// A cell. Text is whatever others may have chosen.
#[derive(Debug, Clone, PartialEq)]
pub enum RowCell<'a> {
    /// Unknown, or not present.
    Empty,
    /// Text.
    Text(Cow<'a, str>),
    /// An integer.
    Integer(i128),
    /// A number with a fraction.
    Number(f64),
    /// Yes or no.
    Flag(bool),
}

impl<'a> From<&'a str> for RowCell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl<'a> From<&'a String> for RowCell<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for RowCell<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<u16> for RowCell<'_> {
    fn from(number: u16) -> Self {
        Self::Integer(number.into())
    }
}

impl From<u64> for RowCell<'_> {
    fn from(number: u64) -> Self {
        Self::Integer(number.into())
    }
}

impl From<i64> for RowCell<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number.into())
    }
}

impl From<f64> for RowCell<'_> {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl<'a, T: Into<RowCell<'a>>> From<Option<T>> for RowCell<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

/// A table that is being written.
pub struct Rows<W: Write> {
    writer: csv::Writer<W>,
    cell: String,
}

impl<'o, W: Write> Rows<&'o mut W> {
    /// Comma-separated values, after a line of these titles if there are any.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn begin<'t>(
        out: &'o mut OutputWriter<W>,
        titles: Option<&'t [&'t str]>,
    ) -> io::Result<Self> {
        let mut rows = Self { writer: csv::Writer::from_writer(out.raw()), cell: String::new() };
        if let Some(titles) = titles {
            rows.titles(titles.iter().copied())?;
        }
        Ok(rows)
    }

    /// More values that this character separates, behind what was written already.
    pub fn to(out: &'o mut OutputWriter<W>, delimiter: u8) -> Self {
        let writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(out.raw());
        Self { writer, cell: String::new() }
    }
}

impl<W: Write> Rows<W> {
    /// Values that this character separates, until the end of the output.
    pub fn of(out: OutputWriter<W>, delimiter: u8) -> Self {
        let writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(out.into_inner());
        Self { writer, cell: String::new() }
    }

    /// Writes the titles of the columns.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn titles<'t>(&mut self, titles: impl IntoIterator<Item = &'t str>) -> io::Result<()> {
        Ok(self.writer.write_record(titles)?)
    }

    /// Writes one row.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn row<'a>(&mut self, cells: impl IntoIterator<Item = RowCell<'a>>) -> io::Result<()> {
        cells.into_iter().try_for_each(|cell| self.put(&cell))?;
        self.end_row()
    }

    /// Writes one cell.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn put(&mut self, cell: &RowCell<'_>) -> io::Result<()> {
        self.cell.clear();
        // Writing to a String cannot fail.
        let _ = match cell {
            RowCell::Empty => Ok(()),
            RowCell::Text(text) => return self.put_text(text),
            RowCell::Integer(number) => {
                self.cell.push_str(itoa::Buffer::new().format(*number));
                Ok(())
            }
            RowCell::Number(number) => write!(self.cell, "{number}"),
            RowCell::Flag(flag) => write!(self.cell, "{flag}"),
        };
        Ok(self.writer.write_field(&self.cell)?)
    }

    /// Writes a cell with text that others may have chosen.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn put_text(&mut self, text: &str) -> io::Result<()> {
        let text = escape::bounded(text, LONGEST);
        if is_formula(&text) {
            self.cell.clear();
            self.cell.push('\'');
            self.cell.push_str(&text);
            return Ok(self.writer.write_field(&self.cell)?);
        }
        Ok(self.writer.write_field(text.as_bytes())?)
    }

    /// Writes a cell with a number in digits.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn put_number(&mut self, digits: &str) -> io::Result<()> {
        Ok(self.writer.write_field(digits)?)
    }

    /// Ends a row.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn end_row(&mut self) -> io::Result<()> {
        Ok(self.writer.write_record(None::<&[u8]>)?)
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    /// Ends the table.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn end(self) -> io::Result<OutputWriter<W>> {
        let writer = self.writer.into_inner().map_err(|error| error.into_error())?;
        Ok(OutputWriter::new(writer))
    }
}

/// Whether a spreadsheet would compute a cell. A sign alone is none. Texts that look neutralised
/// already are neutralised once more: who removes one apostrophe gets back what there was.
fn is_formula(text: &str) -> bool {
    let bare = text.trim_start_matches('\'');
    // The wide forms are signs too, in spreadsheets for East Asian languages.
    bare.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) && bare.chars().nth(1).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(cells: Vec<RowCell<'_>>) -> String {
        let mut out = OutputWriter::new(Vec::new());
        let mut rows = Rows::begin(&mut out, None).unwrap();
        rows.row(cells).unwrap();
        rows.flush().unwrap();
        drop(rows);
        String::from_utf8(out.into_inner()).unwrap()
    }

    #[test]
    fn texts_are_neutralised_and_numbers_are_not() {
        let texts = ["=1+2", "+1", "-x/1", "@SUM(1)", "＝1", "'=1", "a=1", "-", "\t=1", "\r=1", ""];
        assert_eq!(
            written(texts.map(RowCell::from).into()),
            "'=1+2,'+1,'-x/1,'@SUM(1),'＝1,''=1,a=1,-,\\t=1,\\r=1,\n"
        );
        let numbers = [(-5_i64).into(), (-0.5).into(), 7_u64.into(), None::<u64>.into()];
        assert_eq!(written(numbers.into()), "-5,-0.5,7,\n");
    }

    #[test]
    fn cells_are_escaped_and_bounded() {
        assert_eq!(written(vec!["a\x1b[2J\n\u{202e}".into()]), "a\\x1b[2J\\n\\u{202e}\n");
        assert!(written(vec!["x".repeat(1 << 20).into()]).len() < 20_000);
    }
}
