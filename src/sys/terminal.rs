//! The sizes of the terminals at standard output and standard error.

use std::io::{IsTerminal, stderr, stdout};

/// Columns and rows, if standard output is a terminal that reports them.
pub fn terminal_size() -> Option<(u16, u16)> {
    if !stdout().is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// Columns of standard error, if it is a terminal that reports them.
pub fn error_columns() -> Option<u16> {
    let size = rustix::termios::tcgetwinsize(stderr()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col)
}
