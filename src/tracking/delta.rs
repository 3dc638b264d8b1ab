//! The growth of one socket's counters.

use super::counters::{COUNT, COUNTERS, Counters, Shape};
use crate::model::{Field, Socket};

/// The growth of a socket's counters between two observations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delta {
    /// Bit n is set if both observations have counter n.
    present: u32,
    /// The socket was disconnected in between, so that its counters started again from zero.
    pub reset: bool,
    growth: [u64; COUNT],
}

impl Delta {
    /// From one observation of a socket to a later one.
    #[inline]
    pub fn between(before: &Socket, after: &Socket) -> Self {
        if let Some(present) = Counters::idle(before, after) {
            return Self { present, reset: false, growth: [0; COUNT] };
        }
        let (before, was) = Counters::of(before);
        let (after, shape) = Counters::of(after);
        Self::of(&before, was, &after, shape)
    }

    /// The same for stored counters.
    pub(super) fn of(before: &Counters, was: Shape, after: &Counters, shape: Shape) -> Self {
        let (growth, present, reset) = before.growth(was, after, shape);
        Self { present, reset, growth }
    }

    /// The growth of `field`; `None` where it is no counter or was not sent.
    pub fn growth(&self, field: &Field) -> Option<u64> {
        let index = COUNTERS.iter().position(|counter| std::ptr::eq(*counter, field))?;
        (self.present & 1 << index != 0).then(|| self.growth.get(index).copied()).flatten()
    }

    /// Every counter that was sent, with its growth.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Field, u64)> + '_ {
        COUNTERS
            .iter()
            .zip(self.growth)
            .enumerate()
            .filter(|(index, _)| self.present & 1 << index != 0)
            .map(|(_, (field, growth))| (*field, growth))
    }

    /// Whether nothing grew.
    pub fn is_zero(&self) -> bool {
        self.growth.iter().all(|&growth| growth == 0)
    }
}
