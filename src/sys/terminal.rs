//! The size of the terminal that standard output is.

use std::io::{IsTerminal, stdout};

/// Columns and rows, if standard output is a terminal that knows them.
pub fn terminal_size() -> Option<(u16, u16)> {
    if !stdout().is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}
