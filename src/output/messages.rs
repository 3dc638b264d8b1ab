//! Standard error. Every message takes this way: escaped, bounded, one line, and without a panic or
//! another exit code if nobody reads it.

use std::fmt::Display;
use std::io::{Stderr, Write as _};

use super::escape;
use crate::sys::{is_error_terminal, standard_error};

/// Longer messages are cut: they may quote file names and arguments.
const LONGEST: usize = 8192;

/// Writes a line to standard error. `eprintln!` would panic if its reader has gone away, as in
/// `tcpdiag conns 2>&1 >rows | head -1`.
pub fn eprint_line(line: impl Display) {
    let mut line = escape::bounded(&line.to_string(), LONGEST).into_owned();
    line.push('\n');
    // One write, so that lines of two programs do not mix. There is nobody to tell of an error.
    let _ = standard_error().write_all(line.as_bytes());
}

/// Standard error if it is a terminal, for what is written over.
pub fn error_terminal() -> Option<Stderr> {
    is_error_terminal().then(standard_error)
}
