//! Warnings on standard error, each once in a run.

use super::exit::eprint_wrapped;

/// As many are remembered; later ones are not printed.
const MOST: usize = 1000;

/// Warnings that were printed.
#[derive(Debug, Default)]
pub(super) struct Warnings(Vec<String>);

impl Warnings {
    /// Prints those that are new. One that differs only in the count that it begins with is not.
    pub(super) fn print(&mut self, warnings: impl IntoIterator<Item = String>) {
        for warning in warnings {
            let what =
                warning.trim_start_matches(|digit: char| digit.is_ascii_digit() || digit == ',');
            if self.0.len() < MOST && !self.0.iter().any(|known| known == what) {
                eprint_wrapped(format_args!("tcpdiag: {warning}"));
                self.0.push(what.to_owned());
            }
        }
    }
}
