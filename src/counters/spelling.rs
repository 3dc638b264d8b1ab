//! The spellings of one name.

use crate::text::glob::Wildcards;

/// Folds a spelling to what matters: letters and digits in lower case.
///
/// `Tcp:RetransSegs`, `tcp.retranssegs` and `TcpRetransSegs` become the same; no counter
/// differs from another by case or punctuation within its group. Wildcards survive.
pub fn fold(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '*' | '?'))
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

/// Whether a folded name matches a folded pattern of `*` and `?`.
pub fn matches(pattern: &str, name: &str) -> bool {
    Wildcards::StarAndQuestion.matches(pattern, name)
}

/// Whether a folded name is a pattern of `*` and `?`.
pub fn is_pattern(name: &str) -> bool {
    Wildcards::StarAndQuestion.are_in(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding() {
        for text in [
            "TcpExt:TCPLossProbes",
            "tcpext.tcplossprobes",
            "TCPEXT TCPLossProbes",
            "tcp-ext_tcp/lossprobes",
        ] {
            assert_eq!(fold(text), "tcpexttcplossprobes");
        }
        assert_eq!(fold("Tcp*é?"), "tcp*?");
    }
}
