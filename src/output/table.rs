//! Streaming aligned columns: the first rows decide the widths, then each row is written as it
//! arrives. (Table crates keep every cell of every row.)

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::{Align, Column, Style, Tone, escape};
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
pub struct Table<W> {
    writer: W,
    columns: Vec<Column>,
    /// The labels of cells on second lines.
    labels: Vec<String>,
    layout: Layout,
    /// Cells of the buffered rows, concatenated; where each ends; tones.
    text: String,
    ends: Vec<(usize, Tone)>,
    held: usize,
    /// Widths, once decided.
    widths: Option<Vec<usize>>,
    line: String,
    fold: Fold,
    written: usize,
    unseen: usize,
}

/// Addresses are not shortened below this width.
const LEAST_ADDRESS: usize = 15;

impl<W: Write> Table<W> {
    /// A table of `columns`, most important first: columns at the end move to a second line if they
    /// do not fit.
    pub fn new(writer: W, columns: Vec<Column>, layout: Layout) -> Self {
        Self {
            writer,
            labels: columns.iter().map(|column| column.header.to_lowercase()).collect(),
            columns,
            layout,
            text: String::new(),
            ends: Vec::new(),
            held: 0,
            widths: None,
            line: String::new(),
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
            let start = self.text.len();
            column.write(connection, false, &mut self.text);
            let unsafe_cell = self
                .text
                .get(start..)
                .filter(|cell| !cell.bytes().all(|byte| (0x20..0x7f).contains(&byte)))
                .map(|cell| escape::text(cell).into_owned());
            if let Some(safe) = unsafe_cell {
                self.text.truncate(start);
                self.text.push_str(&safe);
            }
            if self.text.len() == start && !column.header.is_empty() {
                self.text.push('-');
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
    pub fn end(mut self) -> io::Result<(W, usize)> {
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
                let cell = self.text.get(start..end).unwrap_or("");
                start = end;
                if width > 0 {
                    pad(&mut self.line, column, cell, width, self.layout, tone);
                } else if !matches!(cell, "" | "-") {
                    self.fold.add(label, cell, self.layout, tone);
                }
            }
            if let Some(rows) = self.layout.rows {
                let lines = 1 + self.fold.text.lines().count();
                if self.written + lines > rows {
                    self.unseen += 1;
                    continue;
                }
                self.written += lines;
            }
            for line in [&mut self.line, &mut self.fold.text] {
                if !line.is_empty() {
                    line.truncate(line.trim_ascii_end().len());
                    line.push('\n');
                    self.writer.write_all(line.as_bytes())?;
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
            let cell = self.text.get(start..end).unwrap_or("");
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
        self.line.clear();
        let widths = self.widths.as_deref().unwrap_or(&[]);
        for (column, &width) in self.columns.iter().zip(widths) {
            if width > 0 {
                let plain = Layout { style: Style::new(false), shorten: false, ..self.layout };
                pad(
                    &mut self.line,
                    column,
                    &column.header.to_uppercase(),
                    width,
                    plain,
                    Tone::Plain,
                );
            }
        }
        let (before, after) = self.layout.style.heading();
        writeln!(self.writer, "{before}{}{after}", self.line.trim_end())
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
    text: String,
    /// Width of the last of these lines.
    width: usize,
}

impl Fold {
    fn clear(&mut self) {
        self.text.clear();
        self.width = 0;
    }

    /// Adds a labelled cell.
    fn add(&mut self, label: &str, cell: &str, layout: Layout, tone: Tone) {
        // Escape sequences have no width on a terminal.
        let needed = width_of(label) + 1 + width_of(cell);
        let full = layout.width.is_some_and(|width| self.width + needed > width);
        if self.text.is_empty() || full {
            if !self.text.is_empty() {
                self.text.truncate(self.text.trim_ascii_end().len());
                self.text.push('\n');
            }
            spaces(&mut self.text, INDENT);
            self.width = INDENT;
        }
        let (quiet, end) = layout.style.around(Tone::Quiet);
        let (before, after) = layout.style.around(tone);
        for part in [quiet, label, end, " ", before, cell, after, "  "] {
            self.text.push_str(part);
        }
        self.width += needed + 2;
    }
}

fn pad(line: &mut String, column: &Column, cell: &str, width: usize, layout: Layout, tone: Tone) {
    let taken = width_of(cell);
    let fill = width.saturating_sub(taken);
    let (before, after) = layout.style.around(tone);
    if column.align == Align::Right {
        spaces(line, fill);
    }
    line.push_str(before);
    if layout.shorten && column.is_address() && taken > width {
        shorten(cell, width, line);
    } else {
        line.push_str(cell);
    }
    line.push_str(after);
    if column.align == Align::Left {
        spaces(line, fill);
    }
    line.push(' ');
}

/// Width on a terminal. Nearly every cell is ASCII, where it equals the length.
fn width_of(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
}

fn spaces(line: &mut String, count: usize) {
    /// Appended as one string; single characters showed in the profile.
    const SPACES: &str = "                                ";
    let mut count = count;
    while let Some(rest) = count.checked_sub(SPACES.len()) {
        line.push_str(SPACES);
        count = rest;
    }
    line.push_str(SPACES.get(..count).unwrap_or(""));
}

/// Cuts an address in the middle: its start shows the network, its end the port.
fn shorten(cell: &str, width: usize, out: &mut String) {
    let keep = width.saturating_sub(1);
    let tail = cell.rfind(':').map_or(0, |at| cell.len() - at).max(keep / 2).min(keep);
    out.push_str(cell.get(..keep - tail).unwrap_or(""));
    out.push('…');
    out.push_str(cell.get(cell.len() - tail..).unwrap_or(""));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_cut_in_the_middle() {
        let mut out = String::new();
        shorten("[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:65535", 24, &mut out);
        assert_eq!(out, "[2001:db8:aa…ffff]:65535");
        assert_eq!(out.width(), 24);
    }
}
