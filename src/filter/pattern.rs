//! Names with wildcards.

use crate::text::glob::Wildcards;

/// Bytes of a process name that the kernel keeps (`TASK_COMM_LEN` - 1).
const COMM: usize = 15;

/// A name in which `*` matches any characters, slashes too, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Box<str>);

impl Pattern {
    /// The pattern of a text.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// A pattern for process names, of which the kernel keeps 15 bytes: a longer name without
    /// wildcards is cut likewise.
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
        !Wildcards::Star.are_in(&self.0)
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `name` matches.
    pub fn matches(&self, name: &str) -> bool {
        self.matches_bytes(name.as_bytes())
    }

    /// Whether these bytes match. Allocates nothing.
    pub(super) fn matches_bytes(&self, name: &[u8]) -> bool {
        Wildcards::Star.match_bytes(self.0.as_bytes(), name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_process_names() {
        let pattern = Pattern::of_comm("prometheus-node-exporter");
        assert!(pattern.matches("prometheus-node"));
        assert_eq!(Pattern::of_comm("aaaaaaaaaaaaaaé").as_str(), "aaaaaaaaaaaaaa");
        assert_eq!(Pattern::of_comm("prometheus-node-exp*").as_str(), "prometheus-node-exp*");
    }
}
