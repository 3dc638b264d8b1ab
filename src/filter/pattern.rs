//! Names with wildcards.

/// Bytes of a process name that the kernel keeps (`TASK_COMM_LEN` - 1).
const COMM: usize = 15;

/// A name in which `*` stands for any characters, none included, and across
/// slashes too. Nothing else is special.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Box<str>);

impl Pattern {
    /// The pattern that `text` spells.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// A pattern for process names, of which the kernel keeps 15 bytes: a
    /// longer name without wildcards is cut as the kernel cuts it.
    pub fn of_comm(text: &str) -> Self {
        let pattern = Self::new(text);
        if pattern.is_exact() && text.len() > COMM {
            let end = (0..=COMM).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
            return Self::new(text.get(..end).unwrap_or_default());
        }
        pattern
    }

    /// Whether only one name matches.
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `name` matches.
    pub fn matches(&self, name: &str) -> bool {
        self.matches_bytes(name.as_bytes())
    }

    /// Whether these bytes match. In the worst case takes the product of both
    /// lengths, and never allocates.
    pub(super) fn matches_bytes(&self, name: &[u8]) -> bool {
        let pattern = self.0.as_bytes();
        let (mut at, mut next) = (0, 0);
        // Where to go on when the last star has to swallow one more.
        let mut star: Option<(usize, usize)> = None;
        while next < name.len() {
            match pattern.get(at) {
                Some(b'*') => {
                    star = Some((at + 1, next));
                    at += 1;
                }
                Some(wanted) if name.get(next) == Some(wanted) => (at, next) = (at + 1, next + 1),
                _ => {
                    let Some((behind, from)) = star else { return false };
                    star = Some((behind, from + 1));
                    (at, next) = (behind, from + 1);
                }
            }
        }
        pattern.get(at..).unwrap_or_default().iter().all(|&byte| byte == b'*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        for (pattern, name, matches) in [
            ("java", "java", true),
            ("java", "javac", false),
            ("java*", "javac", true),
            ("java*", "java", true),
            ("*java", "my-java", true),
            ("*.service", "nginx.service.d", false),
            ("/a/*/c*", "/a/b/b/c", true),
            ("a*b*c", "axbxbxc", true),
            ("a*b*c", "axbxbx", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("**a", "ba", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(name), matches, "{pattern} {name}");
        }
    }

    #[test]
    fn long_process_names() {
        let pattern = Pattern::of_comm("prometheus-node-exporter");
        assert!(pattern.matches("prometheus-node"));
        assert_eq!(Pattern::of_comm("aaaaaaaaaaaaaaé").as_str(), "aaaaaaaaaaaaaa");
        assert_eq!(Pattern::of_comm("prometheus-node-exp*").as_str(), "prometheus-node-exp*");
    }
}
