//! Points in time of a recording.

use std::cmp::Ordering;

use crate::sys::Clocks;

/// A point in time of a recording, which samples come before or after.
///
/// The order is that of the monotonic clock. The wall clock decides only between samples of one
/// stretch, in which it was not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The time by the wall clock, in nanoseconds since 1970, for messages.
    pub(super) realtime_ns: u64,
    /// The time by the monotonic clock.
    pub(super) monotonic_ns: u64,
    /// The stretch in which the wall clock decides: from this monotonic time on, and before that
    /// one. `None` where the monotonic clock decides.
    pub(super) stretch: Option<(u64, u64)>,
}

impl Mark {
    /// A time of a recording whose only order is that of its wall clock.
    pub fn wall(realtime_ns: u64) -> Self {
        Self { realtime_ns, monotonic_ns: realtime_ns, stretch: Some((0, u64::MAX)) }
    }

    /// A time by the monotonic clock.
    pub(super) fn monotonic(clocks: Clocks) -> Self {
        let Clocks { realtime_ns, monotonic_ns } = clocks;
        Self { realtime_ns, monotonic_ns, stretch: None }
    }

    /// Whether a sample that began at this time is before it, at it, or after it.
    fn order_of(self, clocks: Clocks) -> Ordering {
        match self.stretch {
            None => clocks.monotonic_ns.cmp(&self.monotonic_ns),
            Some((begins, _)) if clocks.monotonic_ns < begins => Ordering::Less,
            Some((_, ends)) if clocks.monotonic_ns >= ends && ends != u64::MAX => Ordering::Greater,
            Some(_) => clocks.realtime_ns.cmp(&self.realtime_ns),
        }
    }

    /// Whether it is before a sample that began at this time.
    pub fn is_before(self, clocks: Clocks) -> bool {
        self.order_of(clocks) == Ordering::Greater
    }

    /// Whether it is after a sample that began at this time.
    pub fn is_after(self, clocks: Clocks) -> bool {
        self.order_of(clocks) == Ordering::Less
    }

    /// Whether it is after another one. All times before the first sample have one monotonic time,
    /// as have all after the last.
    pub(super) fn is_later_than(self, other: Self) -> bool {
        (self.monotonic_ns, self.realtime_ns) > (other.monotonic_ns, other.realtime_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_decides_within_its_stretch_only() {
        let clocks = |realtime_ns, monotonic_ns| Clocks { realtime_ns, monotonic_ns };
        let mark = Mark { realtime_ns: 1000, monotonic_ns: 15, stretch: Some((10, 20)) };
        for (sample, expected) in [
            (clocks(2000, 9), Ordering::Less),
            (clocks(999, 10), Ordering::Less),
            (clocks(1000, 14), Ordering::Equal),
            (clocks(1001, 19), Ordering::Greater),
            (clocks(500, 20), Ordering::Greater),
        ] {
            assert_eq!(mark.order_of(sample), expected, "{sample:?}");
        }
        let mark = Mark::monotonic(clocks(1000, 15));
        assert!(mark.is_after(clocks(2000, 14)) && mark.is_before(clocks(1, 16)));
        let mark = Mark::wall(1000);
        assert!(mark.is_after(clocks(999, u64::MAX)) && mark.is_before(clocks(1001, 0)));
    }
}
