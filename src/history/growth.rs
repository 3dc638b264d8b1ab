//! What a counter did since a reading.

use crate::counters::{Amount, CounterWidth, Delta, Kind};

/// A counter now, and its change since then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grown {
    /// Now.
    pub value: i64,
    /// Counter or gauge.
    pub kind: Kind,
    /// The change; `None` where there was no value before.
    pub delta: Option<Delta>,
}

impl Grown {
    /// The growth as a ratio takes it.
    pub fn amount(self) -> Amount {
        match self.delta {
            Some(Delta::Grew(growth) | Delta::Wrapped(growth)) => Amount::Events(growth),
            Some(Delta::Backwards) => Amount::Broken,
            Some(Delta::Level { .. }) | None => Amount::Absent,
        }
    }

    /// The value since boot as a ratio takes it.
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
