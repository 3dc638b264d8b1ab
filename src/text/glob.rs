//! Patterns with wildcards.

/// Which bytes of a pattern are wildcards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wildcards {
    /// `*` for any bytes, none included.
    Star,
    /// Also `?` for any one byte.
    StarAndQuestion,
}

impl Wildcards {
    /// Whether `pattern` has any of them. Without one it only matches itself.
    pub fn are_in(self, pattern: &str) -> bool {
        pattern.bytes().any(|byte| byte == b'*' || self.has_question() && byte == b'?')
    }

    /// Whether `text` matches `pattern`.
    ///
    /// Allocates nothing. Goes back to the last `*` only, so it never takes longer than the product
    /// of both lengths: a pattern from the command line cannot make the program hang.
    pub fn match_bytes(self, pattern: &[u8], text: &[u8]) -> bool {
        let (mut at, mut next) = (0, 0);
        // Where to go on when the last `*` has to take one byte more.
        let mut star: Option<(usize, usize)> = None;
        while let Some(found) = text.get(next) {
            match pattern.get(at) {
                Some(b'*') => {
                    star = Some((at + 1, next));
                    at += 1;
                }
                Some(byte) if byte == found || self.has_question() && *byte == b'?' => {
                    (at, next) = (at + 1, next + 1);
                }
                _ => {
                    let Some((behind, from)) = star else { return false };
                    star = Some((behind, from + 1));
                    (at, next) = (behind, from + 1);
                }
            }
        }
        pattern.get(at..).unwrap_or_default().iter().all(|&byte| byte == b'*')
    }

    /// Whether `text` matches `pattern`.
    pub fn matches(self, pattern: &str, text: &str) -> bool {
        self.match_bytes(pattern.as_bytes(), text.as_bytes())
    }

    fn has_question(self) -> bool {
        self == Self::StarAndQuestion
    }
}

#[cfg(test)]
mod tests {
    use super::Wildcards::{Star, StarAndQuestion};

    #[test]
    fn stars() {
        for (pattern, text, expected) in [
            ("java", "java", true),
            ("java", "javac", false),
            ("java*", "javac", true),
            ("java*", "java", true),
            ("*java", "my-java", true),
            ("*.service", "nginx.service.d", false),
            ("/a/*/c*", "/a/b/b/c", true),
            ("a*b*c", "axbxbxc", true),
            ("a*b*c", "axbxbx", false),
            ("a*c", "abbbc", true),
            ("a*c", "abbb", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a", "", false),
            ("**a", "ba", true),
            ("*b*", "abc", true),
            ("*ab*ab", "abxabyab", true),
            ("*aaaaaaaaaaaaaaaaaaaab", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
            ("tcp*retrans*", "tcpexttcpfastretrans", true),
        ] {
            for wildcards in [Star, StarAndQuestion] {
                assert_eq!(wildcards.matches(pattern, text), expected, "{pattern} {text}");
            }
        }
    }

    #[test]
    fn question_marks() {
        for (pattern, text, any, literal) in [
            ("?", "", false, false),
            ("?", "?", true, true),
            ("?", "a", true, false),
            ("a?c", "abc", true, false),
            ("a?c", "ac", false, false),
            ("*?", "", false, false),
            ("*?c", "abc", true, false),
        ] {
            assert_eq!(StarAndQuestion.matches(pattern, text), any, "{pattern} {text}");
            assert_eq!(Star.matches(pattern, text), literal, "{pattern} {text}");
        }
    }

    #[test]
    fn wildcards_are_found() {
        for (pattern, star, both) in
            [("a", false, false), ("a*", true, true), ("a?", false, true), ("", false, false)]
        {
            assert_eq!((Star.are_in(pattern), StarAndQuestion.are_in(pattern)), (star, both));
        }
    }
}
