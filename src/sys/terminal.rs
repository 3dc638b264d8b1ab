//! Standard output and standard error, and the terminals there. Only this file opens them
//! (clippy.toml); `output::OutputWriter` and `output::eprint_line` write to them.
#![allow(clippy::disallowed_methods, reason = "the only file that may open them")]

use std::io::{self, IsTerminal as _, Stderr, Stdout};

/// Standard output.
pub(crate) fn standard_output() -> Stdout {
    io::stdout()
}

/// Standard error.
pub(crate) fn standard_error() -> Stderr {
    io::stderr()
}

/// Whether standard output is a terminal.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether standard error is a terminal.
pub fn is_error_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Columns and rows, if standard output is a terminal that reports them.
pub fn terminal_size() -> Option<(u16, u16)> {
    if !is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// Columns of standard error, if it is a terminal that reports them.
pub fn error_columns() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}
