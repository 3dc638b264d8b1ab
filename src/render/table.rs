//! Aligned columns that stream: the first rows decide the widths, then each row
//! is written as it comes. (Table crates keep every cell of every row.)

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::{Align, Column, Style, Tone, escape};
use crate::report::Connection;

/// Rows that are held back to find out how wide the columns have to be.
const SAMPLE: usize = 512;

/// The look of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Columns of the terminal to fit in; `None` for no limit. What does not
    /// fit goes on a second line.
    pub width: Option<usize>,
    /// Whether addresses may be shortened to fit.
    pub shorten: bool,
    /// Whether to write a header line.
    pub header: bool,
    /// Rows to write at most, as a terminal has; `None` for no limit.
    pub rows: Option<usize>,
    /// Colours.
    pub style: Style,
}

/// A table being written.
#[derive(Debug)]
pub struct Table<W> {
    writer: W,
    columns: Vec<Column>,
    layout: Layout,
    /// Cells of the rows held back, one after another; where each ends; tones.
    text: String,
    ends: Vec<(usize, Tone)>,
    held: usize,
    /// Widths, once decided.
    widths: Option<Vec<usize>>,
    line: String,
    fold: String,
    written: usize,
    unseen: usize,
}

/// Narrower than this an address is not shortened.
const LEAST_ADDRESS: usize = 15;

impl<W: Write> Table<W> {
    /// A table of `columns`, the most wanted first: those at the end are folded
    /// to a second line where they do not fit.
    pub fn new(writer: W, columns: Vec<Column>, layout: Layout) -> Self {
        Self {
            writer,
            columns,
            layout,
            text: String::new(),
            ends: Vec::new(),
            held: 0,
            widths: None,
            line: String::new(),
            fold: String::new(),
            written: 0,
            unseen: 0,
        }
    }

    /// Writes one row, or holds it back until the widths are decided.
    ///
    /// # Errors
    /// What the writer answers.
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

    /// Writes what is held back. Hands back the writer, and how many rows found
    /// no room.
    ///
    /// # Errors
    /// What the writer answers.
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
            for ((column, &width), &(end, tone)) in self.columns.iter().zip(&widths).zip(row) {
                let cell = self.text.get(start..end).unwrap_or("");
                start = end;
                if width > 0 {
                    pad(&mut self.line, column, cell, width, self.layout, tone);
                } else if !matches!(cell, "" | "-") {
                    fold(&mut self.fold, column, cell, self.layout, tone);
                }
            }
            let folds = self.fold.matches('\n').count() + usize::from(!self.fold.is_empty());
            let lines = 1 + folds;
            if self.layout.rows.is_some_and(|rows| self.written + lines > rows) {
                self.unseen += 1;
                continue;
            }
            self.written += lines;
            for line in [&mut self.line, &mut self.fold] {
                if !line.is_empty() {
                    line.truncate(line.trim_end_matches(' ').len());
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

    /// Finds the widths of the rows held back, and which columns fit.
    fn decide(&mut self) {
        let mut widths: Vec<usize> =
            self.columns.iter().map(|column| column.header.width()).collect();
        let mut start = 0;
        for (index, &(end, _)) in self.ends.iter().enumerate() {
            let cell = self.text.get(start..end).unwrap_or("");
            start = end;
            if let Some(width) = widths.get_mut(index % self.columns.len().max(1)) {
                *width = (*width).max(cell.width());
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

/// What a row without is no row.
fn is_essential(name: &str) -> bool {
    matches!(name, "state" | "role" | "local" | "remote" | "change" | "netns")
}

/// Where second lines begin.
const INDENT: usize = 6;

/// Adds a labelled cell to the second line.
fn fold(line: &mut String, column: &Column, cell: &str, layout: Layout, tone: Tone) {
    let length = line.rsplit('\n').next().unwrap_or("").width();
    let needed = column.header.len() + cell.width() + 3;
    if line.is_empty() {
        spaces(line, INDENT);
    } else if layout.width.is_some_and(|width| length + needed > width) {
        line.truncate(line.trim_end_matches(' ').len());
        line.push('\n');
        spaces(line, INDENT);
    }
    let (quiet, end) = layout.style.around(Tone::Quiet);
    let (before, after) = layout.style.around(tone);
    line.push_str(quiet);
    line.extend(column.header.chars().flat_map(char::to_lowercase));
    line.push_str(end);
    line.push(' ');
    line.push_str(before);
    line.push_str(cell);
    line.push_str(after);
    line.push_str("  ");
}

fn pad(line: &mut String, column: &Column, cell: &str, width: usize, layout: Layout, tone: Tone) {
    let mut shortened = String::new();
    let mut cell = cell;
    if layout.shorten && column.is_address() && cell.width() > width {
        shorten(cell, width, &mut shortened);
        cell = &shortened;
    }
    let fill = width.saturating_sub(if cell.is_ascii() { cell.len() } else { cell.width() });
    let (before, after) = layout.style.around(tone);
    if column.align == Align::Right {
        spaces(line, fill);
    }
    line.push_str(before);
    line.push_str(cell);
    line.push_str(after);
    if column.align == Align::Left {
        spaces(line, fill);
    }
    line.push(' ');
}

fn spaces(line: &mut String, count: usize) {
    line.extend(std::iter::repeat_n(' ', count));
}

/// Cuts the middle of an address: its start names the network, its end the port.
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
