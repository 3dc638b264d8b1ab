//! Streaming aligned columns: the first rows decide the widths, then each row is written as it
//! arrives. (Table crates keep every cell of every row.)

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::{Align, Column, OutputWriter, SafePart, SafeText, Style, Tone};
use crate::report::Connection;

/// Rows buffered to find the widths of the columns.
const SAMPLE: usize = 512;

/// The layout of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Width in columns; `None` for no limit. Cells that do not fit go on a second line.
    pub width: Option<usize>,
    /// Whether addresses may be shortened to fit.
    pub shorten: bool,
    /// Whether to write a header line.
    pub header: bool,
    /// The most rows to write, as a terminal has; `None` for no limit.
    pub rows: Option<usize>,
    /// Colours.
    pub style: Style,
}

/// A table that is being written.
#[derive(Debug)]
pub struct Table<W: Write> {
    writer: OutputWriter<W>,
    columns: Vec<Column>,
    /// The labels of cells on second lines.
    labels: Vec<String>,
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
    fold: Fold,
    written: usize,
    unseen: usize,
}

/// Addresses are not shortened below this width.
const LEAST_ADDRESS: usize = 15;

impl<W: Write> Table<W> {
    /// A table of `columns`, most important first: columns at the end move to a second line if they
    /// do not fit.
    pub fn new(writer: OutputWriter<W>, columns: Vec<Column>, layout: Layout) -> Self {
        Self {
            writer,
            labels: columns.iter().map(|column| column.header.to_lowercase()).collect(),
            columns,
            layout,
            cell: String::new(),
            text: SafeText::default(),
            ends: Vec::new(),
            held: 0,
            widths: None,
            line: SafeText::default(),
            fold: Fold::default(),
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
            self.fold.clear();
            let columns = self.columns.iter().zip(&self.labels).zip(&widths);
            for (((column, label), &width), &(end, tone)) in columns.zip(row) {
                let cell = self.text.part(start..end);
                start = end;
                if width > 0 {
                    pad(&mut self.line, column, cell, width, self.layout, tone);
                } else if !matches!(cell.text(), "" | "-") {
                    self.fold.add(label, cell, self.layout, tone);
                }
            }
            if let Some(rows) = self.layout.rows {
                let lines = 1 + self.fold.lines;
                if self.written + lines > rows {
                    self.unseen += 1;
                    continue;
                }
                self.written += lines;
            }
            for line in [&mut self.line, &mut self.fold.text] {
                if !line.is_empty() {
                    line.end_line();
                    self.writer.text(line)?;
                }
            }
        }
        self.widths = Some(widths);
        self.text.clear();
        self.ends.clear();
        self.held = 0;
        Ok(())
    }

    /// Decides the widths from the buffered rows, and which columns fit.
    fn decide(&mut self) {
        let mut widths: Vec<usize> =
            self.columns.iter().map(|column| column.header.width()).collect();
        let mut start = 0;
        for (index, &(end, _)) in self.ends.iter().enumerate() {
            let cell = self.text.part(start..end).text();
            start = end;
            if let Some(width) = widths.get_mut(index % self.columns.len().max(1)) {
                *width = (*width).max(width_of(cell));
            }
        }
        let Some(limit) = self.layout.width else { return self.widths = Some(widths) };
        let total = |widths: &[usize]| {
            widths.iter().filter(|&&width| width > 0).map(|width| width + 1).sum::<usize>()
        };
        for index in (0..widths.len()).rev() {
            if total(&widths) <= limit + 1 {
                break;
            }
            let essential = self.columns.get(index).is_some_and(|column| is_essential(column.name));
            if let (false, Some(width)) = (essential, widths.get_mut(index)) {
                *width = 0;
            }
        }
        if self.layout.shorten {
            while total(&widths) > limit + 1 {
                let widest = widths
                    .iter_mut()
                    .zip(&self.columns)
                    .filter(|(width, column)| column.is_address() && **width > LEAST_ADDRESS)
                    .max_by_key(|(width, _)| **width);
                let Some((width, _)) = widest else { break };
                *width -= 1;
            }
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
            if width > 0 {
                let plain = Layout { style: Style::new(false), shorten: false, ..self.layout };
                let mut title = SafeText::default();
                title.push(&column.header.to_uppercase());
                let title = title.part(0..title.len());
                pad(&mut self.line, column, title, width, plain, Tone::Plain);
            }
        }
        self.line.trim();
        self.line.push_own(after);
        self.line.end_line();
        self.writer.text(&self.line)
    }
}

/// Whether a column always stays in the first line.
fn is_essential(name: &str) -> bool {
    matches!(name, "state" | "role" | "local" | "remote" | "change" | "netns")
}

/// Indentation of second lines.
const INDENT: usize = 6;

/// The lines below a row, for cells that do not fit in it.
#[derive(Debug, Default)]
struct Fold {
    text: SafeText,
    lines: usize,
    /// Width of the last of these lines.
    width: usize,
}

impl Fold {
    fn clear(&mut self) {
        self.text.clear();
        (self.lines, self.width) = (0, 0);
    }

    /// Adds a labelled cell.
    fn add(&mut self, label: &str, cell: SafePart<'_>, layout: Layout, tone: Tone) {
        // Escape sequences have no width on a terminal.
        let needed = width_of(label) + 1 + width_of(cell.text());
        let full = layout.width.is_some_and(|width| self.width + needed > width);
        if self.text.is_empty() || full {
            if !self.text.is_empty() {
                self.text.end_line();
            }
            self.text.push_spaces(INDENT);
            self.lines += 1;
            self.width = INDENT;
        }
        let (before, after) = layout.style.around(tone);
        self.text.push_toned(label, Tone::Quiet, layout.style);
        self.text.push_spaces(1);
        self.text.push_own(before);
        self.text.push_part(cell);
        self.text.push_own(after);
        self.text.push_spaces(2);
        self.width += needed + 2;
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
    if layout.shorten && column.is_address() && taken > width {
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

/// Cuts an address in the middle: its start shows the network, its end the port.
fn shorten(cell: SafePart<'_>, width: usize, out: &mut SafeText) {
    let keep = width.saturating_sub(1);
    let text = cell.text();
    let tail = text.rfind(':').map_or(0, |at| text.len() - at).max(keep / 2).min(keep);
    out.push_part(cell.part(0..keep - tail));
    out.push_own("…");
    out.push_part(cell.part(text.len() - tail..text.len()));
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
}
