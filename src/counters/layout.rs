//! The names of the counters of a reading, in order.

use super::kind::Kind;

/// The names of a reading, in order of appearance, with look-up.
///
/// Shared by all readings of one reader until a name is added or removed (the first packet of an ICMP
/// type adds a line, a module adds a group).
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Layout {
    names: Vec<String>,
    kinds: Vec<Kind>,
    /// Positions in order of their names.
    sorted: Vec<usize>,
}

impl Layout {
    /// The layout with these names.
    pub(super) fn new(names: Vec<String>) -> Self {
        let kinds = names.iter().map(|name| Kind::of(name)).collect();
        let mut sorted: Vec<usize> = (0..names.len()).collect();
        // Stable, so that the first of two equal names is found.
        sorted.sort_by(|a, b| names.get(*a).cmp(&names.get(*b)));
        Self { names, kinds, sorted }
    }

    /// Number of names.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The names, in order of appearance.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// The name at a position.
    pub fn name(&self, position: usize) -> Option<&str> {
        self.names.get(position).map(String::as_str)
    }

    /// Counter or gauge, by position.
    pub fn kind(&self, position: usize) -> Option<Kind> {
        self.kinds.get(position).copied()
    }

    /// The position of a name, in nstat's spelling.
    pub fn position(&self, name: &str) -> Option<usize> {
        let first =
            self.sorted.partition_point(|at| self.name(*at).is_some_and(|found| found < name));
        let position = self.sorted.get(first).copied()?;
        (self.name(position) == Some(name)).then_some(position)
    }
}
