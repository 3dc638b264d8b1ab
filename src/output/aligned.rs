//! Few rows in aligned columns, with headings and notes between them.
//!
//! Not a table crate: those align one table at a time, and here rows under many headings share
//! their column widths, with wrapped advice in between.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::shorten::shorten;
use super::wrap::wrap;
use super::{Align, OutputWriter, SafeText, Style, Tone, escape};

/// One cell: its text and tone.
pub type Cell = (String, Tone);

#[derive(Debug)]
enum Line {
    Row(Vec<Cell>),
    Heading(String),
    Text { text: String, indent: usize, tone: Tone },
    Command { text: String, indent: usize },
    Blank,
}

/// Lines that share column widths.
#[derive(Debug)]
pub struct Aligned {
    columns: Vec<(&'static str, Align)>,
    lines: Vec<Line>,
    indent: usize,
    /// The columns that are shortened if rows are too long.
    shrinkable: Vec<usize>,
}

/// Spaces between columns.
const GAP: usize = 2;

/// A text cut shorter than this is useless.
const LEAST: usize = 12;

/// Longer texts are cut: names in recordings may have any length.
const LONGEST: usize = 4096;

impl Aligned {
    /// An empty table with these columns.
    pub fn new(columns: &[(&'static str, Align)], indent: usize) -> Self {
        Self { columns: columns.to_vec(), lines: Vec::new(), indent, shrinkable: Vec::new() }
    }

    /// Marks a column of names: they are shortened in the middle until rows fit, those of the widest
    /// such column first.
    #[must_use]
    pub fn shrinkable(mut self, column: usize) -> Self {
        self.shrinkable.push(column);
        self
    }

    /// Adds a row; missing cells are empty.
    pub fn row(&mut self, cells: Vec<Cell>) {
        // Escaped before their widths are measured.
        let safe = |(text, tone): Cell| (escape::bounded(&text, LONGEST).into_owned(), tone);
        self.lines.push(Line::Row(cells.into_iter().map(safe).collect()));
    }

    /// Adds an emphasised line.
    pub fn heading(&mut self, text: &str) {
        self.lines.push(Line::Heading(escape::bounded(text, LONGEST).into_owned()));
    }

    /// Adds text, wrapped to the width.
    pub fn text(&mut self, indent: usize, text: &str, tone: Tone) {
        let text = escape::bounded(text, LONGEST).into_owned();
        self.lines.push(Line::Text { text, indent, tone });
    }

    /// Adds a command. It is one line whatever the width: a terminal wraps it so that it can still be
    /// copied as one.
    pub fn command(&mut self, indent: usize, text: &str) {
        let text = escape::bounded(text, LONGEST).into_owned();
        self.lines.push(Line::Command { text, indent });
    }

    /// Adds an empty line, unless it would be the first line or a second empty one.
    pub fn blank(&mut self) {
        if !matches!(self.lines.last(), None | Some(Line::Blank)) {
            self.lines.push(Line::Blank);
        }
    }

    /// Adds the columns' titles as a row.
    pub fn titles(&mut self) {
        let titles = self.columns.iter().map(|(title, _)| ((*title).to_owned(), Tone::Quiet));
        self.lines.push(Line::Row(titles.collect()));
    }

    /// Whether there are no lines.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Writes all lines, in at most `width` columns where possible: names are shortened, the last
    /// cell of a row is cut, text is wrapped.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn write(
        &self,
        out: &mut OutputWriter<impl Write>,
        width: Option<usize>,
        style: Style,
    ) -> io::Result<()> {
        let widths = self.widths(width);
        for line in &self.lines {
            match line {
                Line::Row(cells) => out.text(&self.format_row(cells, &widths, width, style))?,
                Line::Heading(text) => out.heading(text, style)?,
                Line::Text { text, indent, tone } => {
                    let mut lines = SafeText::default();
                    for part in wrap(text, width.unwrap_or(usize::MAX).saturating_sub(*indent)) {
                        lines.push_spaces(*indent);
                        lines.push_toned(&part, *tone, style);
                        lines.end_line();
                    }
                    out.text(&lines)?;
                }
                Line::Command { text, indent } => {
                    let mut line = SafeText::default();
                    line.push_spaces(*indent);
                    line.push_toned(text, Tone::Good, style);
                    line.end_line();
                    out.text(&line)?;
                }
                Line::Blank => out.blank()?,
            }
        }
        Ok(())
    }

    fn widths(&self, limit: Option<usize>) -> Vec<usize> {
        let mut widths = vec![0; self.columns.len()];
        for line in &self.lines {
            if let Line::Row(cells) = line {
                for (width, (text, _)) in widths.iter_mut().zip(cells) {
                    *width = (*width).max(text.width());
                }
            }
        }
        let mut over = limit.map_or(0, |limit| self.needed(&widths).saturating_sub(limit));
        while over > 0 {
            let width = |column: &usize| widths.get(*column).copied().unwrap_or(0);
            let widest = self.shrinkable.iter().max_by_key(|column| width(column));
            let Some(column) = widest.filter(|column| width(column) > LEAST) else { break };
            if let Some(width) = widths.get_mut(*column) {
                *width -= 1;
            }
            over -= 1;
        }
        widths
    }

    /// The width that a column will have.
    pub fn width(&self, column: usize, limit: Option<usize>) -> usize {
        self.widths(limit).get(column).copied().unwrap_or(0)
    }

    /// The width of whole rows, without a last cell that can be cut.
    fn needed(&self, widths: &[usize]) -> usize {
        let last = self.columns.len().saturating_sub(1);
        let fixed = self.columns.iter().zip(widths).enumerate();
        let fixed = fixed.filter(|(index, ((_, align), width))| {
            **width > 0 && (*index < last || *align == Align::Right)
        });
        let (sum, count) =
            fixed.fold((0, 0_usize), |(sum, count), (_, (_, width))| (sum + *width, count + 1));
        self.indent + sum + GAP * count.saturating_sub(1)
    }

    fn format_row(
        &self,
        cells: &[Cell],
        widths: &[usize],
        limit: Option<usize>,
        style: Style,
    ) -> SafeText {
        let mut line = SafeText::default();
        line.push_spaces(self.indent);
        let mut used = self.indent;
        // Spaces are only written before text, so that no line ends in them.
        let mut pending = 0;
        let last = self.columns.len().saturating_sub(1);
        for (index, (((_, align), (text, tone)), width)) in
            self.columns.iter().zip(cells).zip(widths).enumerate()
        {
            let available = limit.map(|limit| limit.saturating_sub(used + pending));
            let text = match available {
                Some(available) if index == last && *align == Align::Left => cut(text, available),
                _ => shorten(text, *width),
            };
            let fill = width.saturating_sub(text.width());
            if *align == Align::Right {
                pending += fill;
            }
            if !text.is_empty() {
                line.push_spaces(pending);
                line.push_toned(&text, *tone, style);
                used += pending + text.width();
                pending = 0;
            }
            if *align == Align::Left {
                pending += fill;
            }
            if *width > 0 {
                pending += GAP;
            }
        }
        line.end_line();
        line
    }
}

/// As much of a text as fits, with a mark if it was cut; empty if hardly any fits.
fn cut(text: &str, available: usize) -> String {
    if text.width() <= available {
        return text.to_owned();
    }
    if available < LEAST {
        return String::new();
    }
    let mut short = String::new();
    for character in text.chars() {
        if short.width() + 2 > available {
            break;
        }
        short.push(character);
    }
    format!("{}…", short.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Cell {
        (text.to_owned(), Tone::Plain)
    }

    fn sample() -> Aligned {
        let columns = [("NAME", Align::Left), ("VALUE", Align::Right), ("MEANING", Align::Left)];
        let mut table = Aligned::new(&columns, 2);
        table.blank();
        table.titles();
        table.heading("First");
        table.row(vec![plain("a"), plain("1234567"), plain("What a is, in a sentence.")]);
        table.text(4, "Advice that is longer than the line and so is folded to fit.", Tone::Quiet);
        table.blank();
        table.blank();
        table.heading("Second");
        table.row(vec![plain("long name"), plain("9")]);
        table.row(vec![plain("x\u{1b}[2J"), plain(""), plain("no number")]);
        table
    }

    fn written(width: Option<usize>, style: Style) -> String {
        let mut out = OutputWriter::new(Vec::new());
        sample().write(&mut out, width, style).unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    }

    #[test]
    fn columns_are_shared_by_all_sections() {
        insta::assert_snapshot!(written(Some(40), Style::new(false)));
    }

    #[test]
    fn lines_fit_the_width() {
        for width in [40, 60, 80] {
            for line in written(Some(width), Style::new(false)).lines() {
                assert!(line.width() <= width, "{line:?}");
                assert_eq!(line.trim_end(), line);
            }
        }
        assert!(written(None, Style::new(false)).contains("What a is, in a sentence."));
    }

    #[test]
    fn commands_stay_on_one_line() {
        let command = "tcpdiag conns 'backoff > 0' --columns remote,rtt,rto,total_rto,backoff";
        let mut table = Aligned::new(&[], 0);
        table.command(6, command);
        for width in [None, Some(40)] {
            let mut out = OutputWriter::new(Vec::new());
            table.write(&mut out, width, Style::new(false)).unwrap();
            let text = String::from_utf8(out.into_inner()).unwrap();
            assert_eq!(text, format!("      {command}\n"));
        }
    }

    #[test]
    fn names_are_shortened() {
        let columns = [("NAME", Align::Left), ("A", Align::Right), ("B", Align::Right)];
        let mut table = Aligned::new(&columns, 0).shrinkable(0);
        table.titles();
        table.row(vec![plain("a very long name of a service:443"), plain("12345"), plain("9")]);
        table.row(vec![plain("short"), plain("1"), plain("")]);
        let mut out = OutputWriter::new(Vec::new());
        table.write(&mut out, Some(30), Style::new(false)).unwrap();
        let text = String::from_utf8(out.into_inner()).unwrap();
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "NAME                      A  B",
                "a very lon…rvice:443  12345  9",
                "short                     1",
            ]
        );
    }

    #[test]
    fn colours_keep_the_alignment() {
        let coloured = written(Some(60), Style::new(true));
        let mut bare = String::new();
        let mut rest = coloured.as_str();
        while let Some((before, after)) = rest.split_once('\u{1b}') {
            bare.push_str(before);
            rest = after.split_once('m').map_or("", |(_, after)| after);
        }
        bare.push_str(rest);
        assert_eq!(bare, written(Some(60), Style::new(false)));
    }
}
