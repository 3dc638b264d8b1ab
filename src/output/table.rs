//! Streaming aligned columns: the first rows decide the widths, then each row is written as it
//! arrives. (Table crates keep every cell of every row.)

use std::io::{self, Write};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Align, Column, OutputWriter, SafePart, SafeText, Style, Tone};
use crate::report::Connection;

/// Rows buffered to find the widths of the columns.
const SAMPLE: usize = 512;

/// The layout of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Width that lines should fit in, to which names are shortened; `None` for no limit.
    pub width: Option<usize>,
    /// Whether addresses are shortened too, as on a terminal.
    pub shorten: bool,
    /// Whether to write a header line.
    pub header: bool,
    /// The most rows to write, as a terminal has; `None` for no limit.
    pub rows: Option<usize>,
    /// Colours.
    pub style: Style,
}

impl Layout {
    /// Whether the cells of a column are shortened where lines would not fit.
    fn shortens(&self, column: &Column) -> bool {
        self.width.is_some() && (column.is_name() || self.shorten && column.is_address())
    }
}

/// A table that is being written.
#[derive(Debug)]
pub struct Table<W: Write> {
    writer: OutputWriter<W>,
    columns: Vec<Column>,
    layout: Layout,
    /// A cell as its column writes it.
    cell: String,
    /// Cells of the buffered rows, concatenated; where each ends; tones.
    text: SafeText,
    ends: Vec<(usize, Tone)>,
    held: usize,
    /// Widths, once decided.
    widths: Option<Vec<usize>>,
    line: SafeText,
    written: usize,
    unseen: usize,
}

/// Addresses are not shortened below this width.
const LEAST_ADDRESS: usize = 15;

/// Nor are names below this.
const LEAST_NAME: usize = 8;

impl<W: Write> Table<W> {
    /// A table of `columns`, with one line per row.
    pub fn new(writer: OutputWriter<W>, columns: Vec<Column>, layout: Layout) -> Self {
        Self {
            writer,
            columns,
            layout,
            cell: String::new(),
            text: SafeText::default(),
            ends: Vec::new(),
            held: 0,
            widths: None,
            line: SafeText::default(),
            written: 0,
            unseen: 0,
        }
    }

    /// Writes one row, or buffers it until the widths are known.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn row(&mut self, connection: &Connection<'_>) -> io::Result<()> {
        for column in &self.columns {
            self.cell.clear();
            column.write(connection, false, &mut self.cell);
            self.text.push(&self.cell);
            if self.cell.is_empty() && !column.header.is_empty() {
                self.text.push_own("-");
            }
            let tone = if self.layout.style == Style::new(false) {
                Tone::Plain
            } else {
                column.tone(connection)
            };
            self.ends.push((self.text.len(), tone));
        }
        self.held += 1;
        if self.widths.is_some() || self.held >= SAMPLE { self.flush() } else { Ok(()) }
    }

    /// Writes the buffered rows. Returns the writer, and how many rows exceeded the limit.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn end(mut self) -> io::Result<(OutputWriter<W>, usize)> {
        self.flush()?;
        Ok((self.writer, self.unseen))
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.widths.is_none() {
            self.decide();
            self.header()?;
        }
        let count = self.columns.len();
        let widths = self.widths.take().unwrap_or_default();
        let mut start = 0;
        for row in self.ends.chunks(count.max(1)) {
            self.line.clear();
            for ((column, &width), &(end, tone)) in self.columns.iter().zip(&widths).zip(row) {
                let cell = self.text.part(start..end);
                start = end;
                pad(&mut self.line, column, cell, width, self.layout, tone);
            }
            if self.layout.rows.is_some_and(|rows| self.written >= rows) {
                self.unseen += 1;
                continue;
            }
            self.written += 1;
            self.line.trim();
            self.line.end_line();
            self.writer.text(&self.line)?;
        }
        self.widths = Some(widths);
        self.text.clear();
        self.ends.clear();
        self.held = 0;
        Ok(())
    }

    /// Decides the widths from the buffered rows. Those of names and addresses yield where lines
    /// would not fit.
    fn decide(&mut self) {
        let mut widths: Vec<usize> =
            self.columns.iter().map(|column| column.header.width().max(1)).collect();
        let mut start = 0;
        for (index, &(end, _)) in self.ends.iter().enumerate() {
            let cell = self.text.part(start..end).text();
            start = end;
            if let Some(width) = widths.get_mut(index % self.columns.len().max(1)) {
                *width = (*width).max(width_of(cell));
            }
        }
        let total = |widths: &[usize]| widths.iter().map(|width| width + 1).sum::<usize>();
        let layout = self.layout;
        while layout.width.is_some_and(|limit| total(&widths) > limit + 1) {
            let least = |column: &Column| match column.is_address() {
                true => LEAST_ADDRESS,
                false => LEAST_NAME,
            };
            let widest = widths
                .iter_mut()
                .zip(&self.columns)
                .filter(|(width, column)| layout.shortens(column) && **width > least(column))
                .max_by_key(|(width, column)| (!column.is_address(), **width));
            let Some((width, _)) = widest else { break };
            *width -= 1;
        }
        self.widths = Some(widths);
    }

    fn header(&mut self) -> io::Result<()> {
        if !self.layout.header {
            return Ok(());
        }
        let (before, after) = self.layout.style.heading();
        self.line.clear();
        self.line.push_own(before);
        let widths = self.widths.as_deref().unwrap_or(&[]);
        for (column, &width) in self.columns.iter().zip(widths) {
            let plain = Layout { style: Style::new(false), width: None, ..self.layout };
            let mut title = SafeText::default();
            title.push(&column.header.to_uppercase());
            let title = title.part(0..title.len());
            pad(&mut self.line, column, title, width, plain, Tone::Plain);
        }
        self.line.trim();
        self.line.push_own(after);
        self.line.end_line();
        self.writer.text(&self.line)
    }
}

fn pad(
    line: &mut SafeText,
    column: &Column,
    cell: SafePart<'_>,
    width: usize,
    layout: Layout,
    tone: Tone,
) {
    let taken = width_of(cell.text());
    let fill = width.saturating_sub(taken);
    let (before, after) = layout.style.around(tone);
    if column.align == Align::Right {
        line.push_spaces(fill);
    }
    line.push_own(before);
    if layout.shortens(column) && taken > width {
        shorten(cell, width, line);
    } else {
        line.push_part(cell);
    }
    line.push_own(after);
    if column.align == Align::Left {
        line.push_spaces(fill);
    }
    line.push_spaces(1);
}

/// Width on a terminal. Nearly every cell is ASCII, where it equals the length.
fn width_of(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
}

/// Cuts an address or name in the middle: its start shows the network, its end the port.
fn shorten(cell: SafePart<'_>, width: usize, out: &mut SafeText) {
    let text = cell.text();
    let both = width.saturating_sub(1);
    let port = text.rfind(':').and_then(|at| text.get(at..)).map_or(0, width_of);
    let tail = port.max(both / 2).min(both);
    let (mut head_end, mut taken) = (0, 0);
    for (at, character) in text.char_indices() {
        taken += character.width().unwrap_or(0);
        if taken > both - tail {
            break;
        }
        head_end = at + character.len_utf8();
    }
    let (mut tail_start, mut taken) = (text.len(), 0);
    for (at, character) in text.char_indices().rev() {
        taken += character.width().unwrap_or(0);
        if taken > tail {
            break;
        }
        tail_start = at;
    }
    out.push_part(cell.part(0..head_end));
    out.push_own("…");
    out.push_part(cell.part(tail_start..text.len()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_cut_in_the_middle() {
        let [mut address, mut out] = [SafeText::default(), SafeText::default()];
        address.push("[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:65535");
        shorten(address.part(0..address.len()), 24, &mut out);
        let shown = out.part(0..out.len()).text();
        assert_eq!(shown, "[2001:db8:aa…ffff]:65535");
        assert_eq!(shown.width(), 24);
    }

    #[test]
    fn names_of_any_alphabet_are_cut_to_their_width() {
        for (name, width, expected) in [
            ("→ python3:7001", 12, "→ pyth…:7001"),
            ("a-very-long-unit.service", 11, "a-ver…rvice"),
            ("東京東京東京東京", 8, "東京…京"),
            ("x:123456789012", 8, "…6789012"),
        ] {
            let [mut cell, mut out] = [SafeText::default(), SafeText::default()];
            cell.push(name);
            shorten(cell.part(0..cell.len()), width, &mut out);
            let shown = out.part(0..out.len()).text();
            assert_eq!(shown, expected);
            assert!(shown.width() <= width, "{shown}");
        }
    }
}
