//! Lines of fixed columns that are written as they come, as vmstat(8) does: the first line cannot
//! wait for the last to decide the widths.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr as _;

use super::shorten::shorten;
use super::{Align, OutputWriter, SafeText, Style, Tone, escape};

/// Longer cells are cut.
const LONGEST: usize = 4096;

/// One column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineColumn {
    /// Its header.
    pub header: &'static str,
    /// Its alignment.
    pub align: Align,
    /// Its width; a cell that needs more moves the rest of its line.
    pub width: usize,
    /// Whether it has addresses, which are shortened on a terminal only.
    pub is_address: bool,
    /// Which are dropped first where the width is limited: those of the highest rank.
    pub rank: u8,
}

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineLayout {
    /// The width that lines have to fit in; `None` for any.
    pub width: Option<usize>,
    /// Lines of the screen: the header is repeated where it has scrolled away. `None` without.
    pub screen: Option<usize>,
    /// Whether there is a header.
    pub header: bool,
    /// Whether addresses are shortened to their columns. Names are where the width is limited.
    pub shorten: bool,
    /// Colours.
    pub style: Style,
}

/// The lines.
#[derive(Debug)]
pub struct LineTable {
    columns: Vec<LineColumn>,
    /// Whether each column is shown.
    shown: Vec<bool>,
    layout: LineLayout,
    /// Lines since the header; `None` before the first.
    since: Option<usize>,
}

impl LineTable {
    /// Without a line yet.
    pub fn new(columns: Vec<LineColumn>, layout: LineLayout) -> Self {
        let mut shown = vec![true; columns.len()];
        let total = |shown: &[bool]| {
            let shown = columns.iter().zip(shown).filter(|(_, shown)| **shown);
            shown.map(|(column, _)| column.width + 1).sum::<usize>()
        };
        while layout.width.is_some_and(|width| total(&shown) > width + 1) {
            let ranked = columns.iter().zip(&mut shown).filter(|(_, shown)| **shown);
            let Some((_, last)) = ranked.max_by_key(|(column, _)| column.rank) else { break };
            *last = false;
        }
        Self { columns, shown, layout, since: None }
    }

    /// The headers of the columns that do not fit.
    pub fn dropped(&self) -> Vec<&'static str> {
        let columns = self.columns.iter().zip(&self.shown).filter(|(_, shown)| !**shown);
        columns.map(|(column, _)| column.header).collect()
    }

    /// Writes the header, unless it is still on the screen.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn header(&mut self, out: &mut OutputWriter<impl Write>) -> io::Result<()> {
        let is_due = match (self.since, self.layout.screen) {
            (None, _) => true,
            (Some(lines), Some(screen)) => lines + 2 >= screen.max(3),
            (Some(_), None) => false,
        };
        if !is_due {
            return Ok(());
        }
        self.since = Some(0);
        if !self.layout.header {
            return Ok(());
        }
        let (before, after) = self.layout.style.heading();
        let mut line = SafeText::default();
        line.push_own(before);
        self.cells(&mut line, |column| (self.column(column).header.into(), Tone::Plain));
        line.trim();
        line.push_own(after);
        line.end_line();
        out.text(&line)
    }

    /// Writes one line; `cell` gives the cells by the numbers of their columns.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn row(
        &mut self,
        out: &mut OutputWriter<impl Write>,
        cell: impl FnMut(usize) -> (String, Tone),
    ) -> io::Result<()> {
        self.header(out)?;
        let mut line = SafeText::default();
        self.cells(&mut line, cell);
        line.end_line();
        self.since = self.since.map(|lines| lines + 1);
        out.text(&line)
    }

    fn column(&self, number: usize) -> LineColumn {
        const NONE: LineColumn =
            LineColumn { header: "", align: Align::Left, width: 0, is_address: false, rank: 0 };
        self.columns.get(number).copied().unwrap_or(NONE)
    }

    fn is_shortened(&self, column: &LineColumn) -> bool {
        self.layout.width.is_some() && (self.layout.shorten || !column.is_address)
    }

    fn cells(&self, line: &mut SafeText, mut cell: impl FnMut(usize) -> (String, Tone)) {
        let mut pending = 0;
        for (number, (column, _)) in
            self.columns.iter().zip(&self.shown).enumerate().filter(|(_, (_, shown))| **shown)
        {
            let (text, tone) = cell(number);
            let text = escape::bounded(&text, LONGEST);
            let text = match column.align {
                Align::Left if self.is_shortened(column) => shorten(&text, column.width).into(),
                _ => text,
            };
            let fill = column.width.saturating_sub(text.width());
            if column.align == Align::Right {
                pending += fill;
            }
            line.push_spaces(pending);
            line.push_toned(&text, tone, self.layout.style);
            pending = 1 + if column.align == Align::Left { fill } else { 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [LineColumn; 3] = [
        LineColumn { header: "NAME", align: Align::Left, width: 8, is_address: false, rank: 1 },
        LineColumn { header: "COUNT", align: Align::Right, width: 6, is_address: false, rank: 3 },
        LineColumn { header: "RTT", align: Align::Right, width: 5, is_address: false, rank: 2 },
    ];

    fn written(
        width: Option<usize>,
        screen: Option<usize>,
        rows: usize,
    ) -> (String, Vec<&'static str>) {
        let style = Style::new(false);
        let layout = LineLayout { width, screen, header: true, shorten: width.is_some(), style };
        let mut table = LineTable::new(COLUMNS.to_vec(), layout);
        let mut out = OutputWriter::new(Vec::new());
        table.header(&mut out).unwrap();
        for _ in 0..rows {
            let cells = ["a-very-long\x1b[2J-name", "1234567", "5ms"];
            table.row(&mut out, |number| (cells[number].to_owned(), Tone::Plain)).unwrap();
        }
        (String::from_utf8(out.into_inner()).unwrap(), table.dropped())
    }

    #[test]
    fn columns_that_do_not_fit_are_dropped_by_rank_and_named() {
        let (text, dropped) = written(Some(20), None, 1);
        assert_eq!((text.as_str(), dropped), ("NAME       RTT\na-ve…ame   5ms\n", vec!["COUNT"]));
        let (text, dropped) = written(None, None, 1);
        let expected = "NAME      COUNT   RTT\na-very-long\\x1b[2J-name 1234567   5ms\n";
        assert_eq!((text.as_str(), dropped.len()), (expected, 0));
    }

    #[test]
    fn the_header_comes_again_on_each_screen() {
        let (text, _) = written(Some(80), Some(5), 7);
        let headers: Vec<usize> = text
            .lines()
            .enumerate()
            .filter(|(_, line)| line.starts_with("NAME"))
            .map(|(number, _)| number)
            .collect();
        assert_eq!(headers, [0, 4, 8]);
        assert_eq!(written(Some(80), None, 7).0.matches("NAME").count(), 1);
    }
}
