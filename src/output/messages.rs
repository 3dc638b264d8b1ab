//! Standard error. Every message takes this way: escaped, bounded, one line, and without a panic or
//! another exit code if nobody reads it.

use std::fmt::Display;
use std::io::{Stderr, Write as _};

use unicode_width::UnicodeWidthStr as _;

use super::escape;
use super::wrap::wrap;
use crate::sys::{error_columns, is_error_terminal, standard_error};

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

/// Writes what a command says at its end, or about what it left out, to standard error: on a terminal
/// in lines that fit it, else in one line.
pub fn eprint_wrapped(text: impl Display) {
    let text = text.to_string();
    lines(&text, error_columns()).iter().for_each(eprint_line);
}

fn lines(text: &str, columns: Option<u16>) -> Vec<String> {
    match columns {
        Some(columns) if text.width() > columns.into() => wrap(text, columns.into()),
        _ => vec![text.to_owned()],
    }
}

/// Standard error if it is a terminal, for what is written over.
pub fn error_terminal() -> Option<Stderr> {
    is_error_terminal().then(standard_error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_fit_a_terminal() {
        let line = "12 sockets shown of 14 listed (10 established, 2 time_wait) in 37.7ms";
        assert_eq!(lines(line, None), [line]);
        assert_eq!(lines(line, Some(80)), [line]);
        let folded = ["12 sockets shown of 14 listed (10", "established, 2 time_wait) in 37.7ms"];
        assert_eq!(lines(line, Some(40)), folded);
    }
}
