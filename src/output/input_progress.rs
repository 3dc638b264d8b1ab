//! Shows how much of a recording is read.

use std::time::{Duration, Instant};

use super::Progress;
use super::human::{self, spelled};

/// How much of a recording is read, shown on a terminal.
#[derive(Debug)]
pub struct InputProgress {
    start: Instant,
    line: Progress,
}

impl Default for InputProgress {
    fn default() -> Self {
        Self::new()
    }
}

impl InputProgress {
    /// The reading begins now.
    pub fn new() -> Self {
        Self { start: Instant::now(), line: Progress::new() }
    }

    /// Shows how many bytes of how many are read, and the results so far.
    pub fn show(&mut self, (read, size): (u64, u64), result: impl FnOnce() -> String) {
        let elapsed = self.start.elapsed();
        self.line.show(|| format!("{}, {}", line(read, size, elapsed), result()));
    }

    /// See [`Progress::clear`].
    pub fn clear(&mut self) {
        self.line.clear();
    }

    /// See [`Progress::disable`].
    pub fn disable(&mut self) {
        self.line.disable();
    }

    /// Time since the reading began, in words.
    pub fn took(&self) -> String {
        let mut words = String::new();
        human::microseconds(self.start.elapsed().as_micros() as u64, &mut words);
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
