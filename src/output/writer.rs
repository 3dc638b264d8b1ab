//! The one way to standard output. Text for people passes [`SafeText`], which escapes what it is
//! given; JSON and rows have writers of their own, which escape as their forms require. There is no
//! other access to what is behind [`OutputWriter`].

use std::fmt::Display;
use std::io::{self, BufWriter, Stdout, Write};

use super::{Style, Tone, escape};
use crate::sys::standard_output;

/// Longer texts are cut: names in recordings may have any length.
const LONGEST: usize = 4096;

/// Buffered between two writes.
const BUFFER: usize = 1 << 16;

/// Text that can do nothing to a terminal but appear: escaped texts, spaces, line ends, and this
/// program's own colours.
#[derive(Debug, Default)]
pub struct SafeText {
    text: String,
}

/// A part of a [`SafeText`].
#[derive(Debug, Clone, Copy)]
pub struct SafePart<'a>(&'a str);

impl<'a> SafePart<'a> {
    /// The text.
    pub fn text(self) -> &'a str {
        self.0
    }

    /// A part of the part, by bytes.
    pub fn part(self, range: std::ops::Range<usize>) -> Self {
        Self(self.0.get(range).unwrap_or(""))
    }
}

impl SafeText {
    /// Appends text, escaped and cut where it is very long.
    #[inline]
    pub fn push(&mut self, text: &str) {
        self.text.push_str(&escape::bounded(text, LONGEST));
    }

    /// Appends what is safe already.
    #[inline]
    pub fn push_part(&mut self, part: SafePart<'_>) {
        self.text.push_str(part.0);
    }

    /// Appends text in this tone.
    pub fn push_toned(&mut self, text: &str, tone: Tone, style: Style) {
        let (before, after) = style.around(tone);
        self.push_own(before);
        self.push(text);
        self.push_own(after);
    }

    /// Appends what this program itself writes: a colour, a mark.
    #[inline]
    pub fn push_own(&mut self, text: &'static str) {
        self.text.push_str(text);
    }

    /// Appends spaces.
    #[inline]
    pub fn push_spaces(&mut self, count: usize) {
        /// Appended as one string; single characters showed in the profile.
        const SPACES: &str = "                                ";
        let mut count = count;
        while let Some(rest) = count.checked_sub(SPACES.len()) {
            self.text.push_str(SPACES);
            count = rest;
        }
        self.text.push_str(SPACES.get(..count).unwrap_or(""));
    }

    /// Removes the spaces at its end.
    pub fn trim(&mut self) {
        self.text.truncate(self.text.trim_end_matches(' ').len());
    }

    /// Ends a line, without the spaces at its end.
    pub fn end_line(&mut self) {
        self.trim();
        self.text.push('\n');
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Removes all of it.
    pub fn clear(&mut self) {
        self.text.clear();
    }

    /// The part between two positions, in bytes.
    pub fn part(&self, range: std::ops::Range<usize>) -> SafePart<'_> {
        SafePart(self.text.get(range).unwrap_or(""))
    }
}

/// Where a command writes its results.
#[derive(Debug)]
pub struct OutputWriter<W: Write> {
    out: W,
}

impl OutputWriter<BufWriter<Stdout>> {
    /// Standard output, buffered. If it is closed, what is written to it is lost.
    pub fn standard() -> Self {
        Self { out: BufWriter::with_capacity(BUFFER, standard_output()) }
    }
}

impl<W: Write> OutputWriter<W> {
    /// The same, of any kind.
    pub fn boxed(self) -> OutputWriter<Box<dyn Write>>
    where
        W: 'static,
    {
        OutputWriter { out: Box::new(self.out) }
    }

    /// Writes to this.
    pub fn new(out: W) -> Self {
        Self { out }
    }

    /// Writes text.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn text(&mut self, text: &SafeText) -> io::Result<()> {
        self.out.write_all(text.text.as_bytes())
    }

    /// Writes one line, escaped.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn line(&mut self, line: impl Display) -> io::Result<()> {
        let mut text = SafeText::default();
        text.push(&line.to_string());
        text.end_line();
        self.text(&text)
    }

    /// Writes one emphasised line, escaped.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn heading(&mut self, line: &str, style: Style) -> io::Result<()> {
        let (before, after) = style.heading();
        let mut text = SafeText::default();
        text.push_own(before);
        text.push(line);
        text.push_own(after);
        text.end_line();
        self.text(&text)
    }

    /// Writes an empty line.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn blank(&mut self) -> io::Result<()> {
        self.own("\n")
    }

    /// Clears the terminal.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn clear_screen(&mut self) -> io::Result<()> {
        self.own("\x1b[H\x1b[2J")
    }

    /// Writes a page that this program itself made, as the manual.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn page(&mut self, page: &[u8]) -> io::Result<()> {
        self.out.write_all(page)
    }

    fn own(&mut self, text: &'static str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// Errors of the writer.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// For the writers of JSON and of rows, which escape themselves.
    pub(super) fn raw(&mut self) -> &mut W {
        &mut self.out
    }

    /// What it writes to.
    pub fn into_inner(self) -> W {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_escaped_text_gets_out() {
        let mut out = OutputWriter::new(Vec::new());
        out.line("a\x1b]0;title\x07\nb").unwrap();
        out.heading("\u{202e}x", Style::new(true)).unwrap();
        let mut text = SafeText::default();
        text.push("\x1b[2J");
        text.push_spaces(40);
        text.push_toned("\r", Tone::Alarm, Style::new(true));
        text.push_part(SafePart("y"));
        text.end_line();
        out.text(&text).unwrap();
        let written = String::from_utf8(out.into_inner()).unwrap();
        let expected = format!(
            "a\\x1b]0;title\\x07\\nb\n\x1b[1m\\u{{202e}}x\x1b[0m\n\\x1b[2J{:40}\x1b[1;31m\\r\x1b[0my\n",
            ""
        );
        assert_eq!(written, expected);
    }
}
