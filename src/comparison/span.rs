//! Which intervals of a recording are compared.

/// A part of a recording, in times of type `T`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span<T> {
    /// Intervals that end after the first time and not after the second.
    Between(Option<T>, Option<T>),
    /// The interval that ends with the last sample up to this time.
    At(T),
}

impl Span<u64> {
    /// Whether it holds an interval that ends at this time.
    pub(super) fn holds(self, end: u64) -> bool {
        match self {
            Self::Between(from, to) => {
                from.is_none_or(|from| end > from) && to.is_none_or(|to| end <= to)
            }
            Self::At(time) => end <= time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_interval_is_in_one_of_two_that_meet() {
        let (before, after) = (Span::Between(None, Some(5)), Span::Between(Some(5), None));
        for end in 0..10 {
            assert!(before.holds(end) != after.holds(end), "{end}");
        }
    }
}
