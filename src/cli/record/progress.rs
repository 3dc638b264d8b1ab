//! How far a recording is, on a terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use crate::cli::size::spelled;
use crate::output::human::grouped;
use crate::sys::error_columns;

/// What there is to tell.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Figures {
    pub(super) samples: u64,
    /// Sockets of the last sample.
    pub(super) sockets: u64,
    /// Bytes of the file.
    pub(super) size: u64,
    pub(super) elapsed: Duration,
    /// `None` where only the user will end it.
    pub(super) left: Option<Duration>,
    /// The time that memory holds, and the bytes that takes, where there is no file.
    pub(super) kept: Option<(Duration, u64)>,
}

impl Figures {
    fn line(&self) -> String {
        if let Some((time, bytes)) = self.kept {
            return format!(
                "{}, the last {} in {} of memory, {}",
                counted(self.sockets, "socket"),
                in_words(time),
                spelled(bytes),
                self.ending(),
            );
        }
        let seconds = self.elapsed.as_secs_f64();
        let rate = if seconds < 0.5 { 0 } else { (self.size as f64 / seconds) as u64 };
        format!(
            "{}, {}, {}, {}/s, {}",
            counted(self.samples, "sample"),
            counted(self.sockets, "socket"),
            spelled(self.size),
            spelled(rate),
            self.ending(),
        )
    }

    fn ending(&self) -> String {
        self.left
            .map_or_else(|| "Ctrl-C ends it".to_owned(), |left| format!("{} left", in_words(left)))
    }
}

/// A line that is written over.
#[derive(Debug)]
pub(super) struct Progress {
    on_terminal: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { on_terminal: io::stderr().is_terminal() }
    }

    /// Shows these figures.
    pub(super) fn show(&self, figures: &Figures) {
        if self.on_terminal {
            // To the line's start, and what stands there away. A longer line than the terminal's
            // would leave its first part behind.
            let columns = error_columns().map_or(usize::MAX, usize::from);
            let line: String = figures.line().chars().take(columns - 1).collect();
            let _ = write!(io::stderr(), "\r\x1b[K{line}");
        }
    }

    /// Makes room for something else.
    pub(super) fn clear(&self) {
        if self.on_terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// `1 sample`, `2 samples`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// `8s`, `2m 5s`, `3h 12m`.
pub(in crate::cli) fn in_words(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line() {
        let figures = Figures {
            samples: 1200,
            sockets: 10_432,
            size: 3 << 20,
            elapsed: Duration::from_secs(1200),
            left: None,
            kept: None,
        };
        let expected = "1,200 samples, 10,432 sockets, 3MiB, 2.6KiB/s, Ctrl-C ends it";
        assert_eq!(figures.line(), expected);
        let timed = Figures { left: Some(Duration::from_secs(3725)), ..figures };
        assert!(timed.line().ends_with(", 1h 2m left"), "{}", timed.line());
        let ring = Figures { kept: Some((Duration::from_secs(599), 12 << 20)), ..figures };
        let expected = "10,432 sockets, the last 9m 59s in 12MiB of memory, Ctrl-C ends it";
        assert_eq!(ring.line(), expected);
    }

    #[test]
    fn times() {
        for (seconds, words) in [(0, "0s"), (59, "59s"), (125, "2m 5s"), (90_000, "25h 0m")] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }
}
