//! Streaming JSON: rows are written as they arrive, so that half a million of them need no memory.

use std::io::{self, Write};

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer as _};
use serde_json::ser::{CompactFormatter, Formatter};

use super::{OutputWriter, escape};
use crate::report::{Connection, Cost, Document, Quality, RowEnd};

/// Compact JSON that also escapes characters that are valid in JSON but control terminals. Keys are
/// constants of this program and most of a row's strings, so they are not checked.
#[derive(Debug, Default)]
pub(super) struct SafeFormatter {
    compact: CompactFormatter,
    in_key: bool,
}

impl Formatter for SafeFormatter {
    #[inline]
    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.in_key = true;
        self.compact.begin_object_key(writer, first)
    }

    #[inline]
    fn end_object_key<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.in_key = false;
        Ok(())
    }

    #[inline]
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if self.in_key || fragment.bytes().all(|byte| byte < 0x7f) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut units = [0; 2];
        for character in fragment.chars() {
            if escape::is_unsafe(character) {
                for unit in character.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            } else {
                write!(writer, "{character}")?;
            }
        }
        Ok(())
    }
}

fn put<W: Write>(writer: W, value: &impl Serialize) -> io::Result<()> {
    value
        .serialize(&mut serde_json::Serializer::with_formatter(writer, SafeFormatter::default()))?;
    Ok(())
}

/// Writes one document on one line.
///
/// # Errors
/// Errors of the writer.
pub fn json_line<W: Write>(out: &mut OutputWriter<W>, value: &impl Serialize) -> io::Result<()> {
    let writer = out.raw();
    put(&mut *writer, value)?;
    writer.write_all(b"\n")
}

/// One document with an array of rows in it.
#[derive(Debug)]
pub struct JsonStream<W: Write> {
    out: OutputWriter<W>,
    any: bool,
    /// Written between the rows of a single document; a document of a stream is one line.
    separator: &'static str,
}

impl<W: Write> JsonStream<W> {
    /// Writes the envelope up to the array `rows`.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn begin(
        mut out: OutputWriter<W>,
        document: &Document<'_>,
        rows: &str,
        one_line: bool,
    ) -> io::Result<Self> {
        let mut head = Vec::new();
        put(&mut head, document)?;
        // The object stays open for the rows and the fields after them.
        head.pop();
        let writer = out.raw();
        writer.write_all(&head)?;
        write!(writer, ",\"{rows}\":[")?;
        Ok(Self { out, any: false, separator: if one_line { "" } else { "\n" } })
    }

    /// Writes one row.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn row(&mut self, connection: &Connection<'_>) -> io::Result<()> {
        let writer = self.out.raw();
        if self.any {
            writer.write_all(b",")?;
        }
        self.any = true;
        writer.write_all(self.separator.as_bytes())?;
        put(writer, connection)
    }

    /// Closes the document.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn end(mut self, quality: &Quality, cost: Cost) -> io::Result<OutputWriter<W>> {
        let writer = self.out.raw();
        write!(writer, "{}],\"quality\":", self.separator)?;
        put(&mut *writer, quality)?;
        writer.write_all(b",\"cost\":")?;
        put(&mut *writer, &cost)?;
        writer.write_all(b"}\n")?;
        Ok(self.out)
    }
}

/// One JSON object per row and line.
#[derive(Debug)]
pub struct JsonLines<'a, W: Write> {
    out: OutputWriter<W>,
    schema: &'a str,
    captured_at: String,
}

impl<'a, W: Write> JsonLines<'a, W> {
    /// Rows with this schema and time.
    pub fn new(out: OutputWriter<W>, schema: &'a str, captured_at: String) -> Self {
        Self { out, schema, captured_at }
    }

    /// Writes one row.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn row(&mut self, connection: &Connection<'_>) -> io::Result<()> {
        let mut serializer =
            serde_json::Serializer::with_formatter(self.out.raw(), SafeFormatter::default());
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", self.schema)?;
        map.serialize_entry("captured_at", &self.captured_at)?;
        connection.entries(&mut map)?;
        map.end()?;
        self.out.raw().write_all(b"\n")
    }

    /// Writes the last line.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn end(mut self, end: &RowEnd<'_>) -> io::Result<OutputWriter<W>> {
        json_line(&mut self.out, end)?;
        Ok(self.out)
    }
}
