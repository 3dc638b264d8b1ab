//! Which intervals of a recording are compared.

use crate::recording::Mark;
use crate::sys::Clocks;

/// A part of a recording, in times of type `T`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span<T> {
    /// Intervals that end after the first time and not after the second.
    Between(Option<T>, Option<T>),
    /// The interval that ends with the last sample up to this time.
    At(T),
}

impl Span<Mark> {
    /// Whether it holds an interval that ends at this time.
    pub(super) fn holds(self, end: Clocks) -> bool {
        match self {
            Self::Between(from, to) => {
                from.is_none_or(|from| from.is_before(end))
                    && !to.is_some_and(|to| to.is_before(end))
            }
            Self::At(time) => !time.is_before(end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_interval_is_in_one_of_two_that_meet() {
        let five = Mark::wall(5);
        let (before, after) = (Span::Between(None, Some(five)), Span::Between(Some(five), None));
        for end in 0..10 {
            let end = Clocks { realtime_ns: end, monotonic_ns: end };
            assert!(before.holds(end) != after.holds(end), "{end:?}");
        }
    }
}
