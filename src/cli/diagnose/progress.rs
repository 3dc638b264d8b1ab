//! How far it is, on a terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use crate::cli::record::progress::in_words;
use crate::output::human::grouped;

/// A line that is written over.
#[derive(Debug)]
pub(super) struct Progress {
    on_terminal: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { on_terminal: io::stderr().is_terminal() }
    }

    pub(super) fn show(&self, sockets: u64, left: Duration) {
        if self.on_terminal {
            let sockets = grouped(sockets);
            let left = in_words(left);
            // To the line's start, and what stands there away.
            let _ = write!(
                io::stderr(),
                "\r\x1b[Kwatching {sockets} sockets, {left} left; Ctrl-C ends it with what was seen"
            );
        }
    }

    /// Makes room for the answer.
    pub(super) fn clear(&self) {
        if self.on_terminal {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
