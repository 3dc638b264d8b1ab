//! A progress line on a terminal.

use std::io::{Stderr, Write};
use std::time::{Duration, Instant};

use super::escape;
use super::messages::error_terminal;
use crate::sys::error_columns;

/// The line is written at most this often.
const PAUSE: Duration = Duration::from_millis(200);

/// A line on standard error that is written over, and erased at the end. Where standard error is no
/// terminal, nothing is written.
#[derive(Debug)]
pub struct Progress<W: Write = Stderr> {
    /// `None` where nothing is to be written.
    out: Option<W>,
    /// Columns of the terminal, if known.
    columns: fn() -> Option<u16>,
    /// When the current line was written.
    shown: Option<Instant>,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress {
    /// On standard error.
    pub fn new() -> Self {
        Self { out: error_terminal(), columns: error_columns, shown: None }
    }
}

impl<W: Write> Progress<W> {
    /// Shows a line, unless one was shown just before.
    pub fn show(&mut self, line: impl FnOnce() -> String) {
        self.show_at(Instant::now(), line);
    }

    fn show_at(&mut self, now: Instant, line: impl FnOnce() -> String) {
        let is_early = self.shown.is_some_and(|shown| now.duration_since(shown) < PAUSE);
        let Some(out) = self.out.as_mut().filter(|_| !is_early) else { return };
        self.shown = Some(now);
        // A line that fills the terminal would wrap, and its first part could not be erased.
        let columns = (self.columns)().map_or(usize::MAX, usize::from);
        let line = line();
        let line: String = escape::text(&line).chars().take(columns.saturating_sub(1)).collect();
        // Back to the start of the line, and erase it.
        let _ = write!(out, "\r\x1b[K{line}");
    }

    /// Erases the line. To be called before anything else is written to the terminal.
    pub fn clear(&mut self) {
        if let Some(out) = self.out.as_mut().filter(|_| self.shown.is_some()) {
            let _ = write!(out, "\r\x1b[K");
        }
        self.shown = None;
    }

    /// Shows nothing from now on.
    pub fn disable(&mut self) {
        self.out = None;
    }
}

impl<W: Write> Drop for Progress<W> {
    /// A command that fails leaves no line before its error.
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(columns: fn() -> Option<u16>) -> Progress<Vec<u8>> {
        Progress { out: Some(Vec::new()), columns, shown: None }
    }

    fn text(progress: &mut Progress<Vec<u8>>) -> String {
        let written = progress.out.as_mut().map(std::mem::take).unwrap_or_default();
        String::from_utf8(written).unwrap()
    }

    #[test]
    fn lines_are_limited_in_width_and_rate() {
        let mut progress = progress(|| Some(6));
        let start = Instant::now();
        progress.show_at(start, || "123456789".to_owned());
        assert_eq!(text(&mut progress), "\r\x1b[K12345");
        progress.show_at(start + PAUSE / 2, || panic!("too early"));
        progress.show_at(start + PAUSE, || "ab".to_owned());
        assert_eq!(text(&mut progress), "\r\x1b[Kab");
    }

    #[test]
    fn a_cleared_line_is_shown_again_at_once() {
        let mut progress = progress(|| None);
        progress.clear();
        assert_eq!(text(&mut progress), "");
        let start = Instant::now();
        progress.show_at(start, || "one".to_owned());
        progress.clear();
        progress.clear();
        progress.show_at(start, || "two".to_owned());
        assert_eq!(text(&mut progress), "\r\x1b[Kone\r\x1b[K\r\x1b[Ktwo");
    }

    #[test]
    fn without_a_terminal_nothing_is_written() {
        let mut progress = Progress { out: None::<Vec<u8>>, columns: || None, shown: None };
        progress.show(|| panic!("no terminal"));
        progress.clear();
        assert!(progress.out.is_none());
    }
}
