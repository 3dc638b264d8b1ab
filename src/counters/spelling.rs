//! The many spellings of one counter, and wildcards over them.

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

/// Whether `text` is matched by `pattern`, where `*` is any run and `?` any one byte.
///
/// Both must have been folded. Greedy with one point of return, so linear in practice and
/// never exponential: a pattern from the command line cannot hang us.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(p), text.get(t)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                retry = Some((p + 1, t));
                p += 1;
            }
            (Some(wanted), Some(found)) if *wanted == b'?' || wanted == found => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                // Let the last `*` swallow one more byte and try again.
                Some((after, swallowed)) if swallowed < text.len() => {
                    retry = Some((after, swallowed + 1));
                    p = after;
                    t = swallowed + 1;
                }
                _ => return false,
            },
        }
    }
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

    #[test]
    fn wildcards() {
        for (pattern, text, wanted) in [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a", "", false),
            ("?", "", false),
            ("a*c", "abbbc", true),
            ("a*c", "abbb", false),
            ("a?c", "abc", true),
            ("*b*", "abc", true),
            ("*ab*ab", "abxabyab", true),
            ("*aaaaaaaaaaaaaaaaaaaab", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
            ("tcp*retrans*", "tcpexttcpfastretrans", true),
        ] {
            assert_eq!(matches(pattern, text), wanted, "{pattern} {text}");
        }
    }
}
