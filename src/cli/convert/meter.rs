//! How far reading a file has come.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::cli::size::spelled;
use crate::output::human;

/// How often a line is written.
const PAUSE: Duration = Duration::from_millis(200);

/// A file that counts what was read of it.
#[derive(Debug)]
pub(in crate::cli) struct Metered {
    file: File,
    read: Rc<Cell<u64>>,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.read.set(self.read.get() + length as u64);
        Ok(length)
    }
}

/// A line on a terminal that is written over.
#[derive(Debug)]
pub(in crate::cli) struct Meter {
    read: Rc<Cell<u64>>,
    size: u64,
    begun: Instant,
    shown: Option<Instant>,
    on_terminal: bool,
}

/// Opens a file, and a meter for it.
pub(in crate::cli) fn open(path: &Path) -> anyhow::Result<(Metered, Meter)> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let read = Rc::new(Cell::new(0));
    let meter = Meter {
        read: Rc::clone(&read),
        // Of a pipe nothing is known.
        size: file.metadata().map_or(0, |metadata| metadata.len()),
        begun: Instant::now(),
        shown: None,
        on_terminal: io::stderr().is_terminal(),
    };
    Ok((Metered { file, read }, meter))
}

impl Metered {
    pub(in crate::cli) fn file(&self) -> &File {
        &self.file
    }
}

impl Meter {
    /// Shows how far it is, and `what` it came to.
    pub(in crate::cli) fn show(&mut self, what: impl FnOnce() -> String) {
        let now = Instant::now();
        if !self.on_terminal || self.shown.is_some_and(|shown| now - shown < PAUSE) {
            return;
        }
        self.shown = Some(now);
        let line = line(self.read.get(), self.size, now - self.begun);
        let _ = write!(io::stderr(), "\r\x1b[K{line}, {}", what());
    }

    /// Makes room for something else.
    pub(in crate::cli) fn clear(&self) {
        if self.shown.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }

    /// Time since it began, in words.
    pub(in crate::cli) fn took(&self) -> String {
        let mut words = String::new();
        human::microseconds(self.begun.elapsed().as_micros() as u64, &mut words);
        words
    }
}

/// `12% of 1.2GiB, 9.1s left`.
fn line(read: u64, size: u64, elapsed: Duration) -> String {
    if size == 0 {
        return format!("{} read", spelled(read));
    }
    let done = (read as f64 / size as f64).min(1.0);
    let mut line = format!("{:.0}% of {}", done * 100.0, spelled(size));
    if done > 0.02 {
        let left = elapsed.as_secs_f64() * (1.0 - done) / done;
        line.push_str(", ");
        human::microseconds((left * 1e6) as u64, &mut line);
        line.push_str(" left");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let seconds = Duration::from_secs(3);
        assert_eq!(line(5 << 20, 20 << 20, seconds), "25% of 20MiB, 9s left");
        assert_eq!(line(1, 20 << 20, seconds), "0% of 20MiB");
        assert_eq!(line(5 << 20, 0, seconds), "5MiB read");
        // A file that grows while it is read.
        assert_eq!(line(2 << 20, 1 << 20, seconds), "100% of 1MiB, 0 left");
    }
}
