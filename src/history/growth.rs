//! The growth of a counter since a reading.

use crate::counters::{Amount, CounterWidth, Delta, Kind};

/// A counter's current value, and its change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grown {
    /// Current value.
    pub value: i64,
    /// Counter or gauge.
    pub kind: Kind,
    /// The change; `None` without a previous value.
    pub delta: Option<Delta>,
}

impl Grown {
    /// The growth as input of a ratio.
    pub fn amount(self) -> Amount {
        match self.delta {
            Some(Delta::Grew(growth) | Delta::Wrapped(growth)) => Amount::Events(growth),
            Some(Delta::Backwards) => Amount::Broken,
            Some(Delta::Level { .. }) => Amount::Absent,
            // The kernel counts it now, so it did then too.
            None => Amount::Unread,
        }
    }

    /// The value since boot as input of a ratio.
    pub fn total(self) -> Amount {
        u64::try_from(self.value).map_or(Amount::Broken, Amount::Events)
    }
}

/// The change of one counter.
pub fn growth(
    name: &str,
    kind: Kind,
    width: CounterWidth,
    before: Option<i64>,
    value: i64,
) -> Grown {
    let delta = before.map(|before| Delta::between(kind, width.of_counter(name), before, value));
    Grown { value, kind, delta }
}
