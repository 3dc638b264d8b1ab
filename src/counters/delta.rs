//! The change of counters between two readings.

use std::sync::Arc;
use std::time::Duration;

use super::kind::Kind;
use super::values::Counters;
use crate::model::wrap::{Change, Width};

/// How wide the kernel's counters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterWidth {
    /// `unsigned long` of a 32-bit kernel: wraps at 2^32. (IpExt is 64 bits wide even there.)
    Bits32,
    /// `unsigned long` of a 64-bit kernel: never wraps in practice.
    Bits64,
}

impl CounterWidth {
    /// The width on the kernel that runs.
    pub fn of_this_host() -> Self {
        Self::of_machine(&rustix::system::uname().machine().to_string_lossy())
    }

    /// By the kernel's machine name, as `uname -m` prints it. A 32-bit program on a 64-bit
    /// kernel reads 64-bit counters, so its own pointer width says nothing.
    pub fn of_machine(machine: &str) -> Self {
        let wide =
            machine.contains("64") || matches!(machine, "s390x" | "alpha" | "armv8l" | "armv8b");
        if wide { Self::Bits64 } else { Self::Bits32 }
    }
}

impl CounterWidth {
    /// The width of one counter on this kernel: those of IP have 64 bits everywhere.
    #[must_use]
    pub fn of_counter(self, name: &str) -> Self {
        if name.starts_with("Ip") { Self::Bits64 } else { self }
    }
}

impl From<CounterWidth> for Width {
    fn from(width: CounterWidth) -> Self {
        match width {
            CounterWidth::Bits32 => Self::Bits32,
            CounterWidth::Bits64 => Self::Bits64,
        }
    }
}

/// Change of one value from one reading to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delta {
    /// A counter grew by this much; 0 if it stood still.
    Grew(u64),
    /// A 32-bit counter passed 2^32 and grew by this much.
    Wrapped(u64),
    /// A counter fell: it was reset, or is of another namespace. Its growth is not known.
    Backwards,
    /// A gauge was at one level and is at another.
    Level {
        /// Before.
        from: i64,
        /// After.
        to: i64,
    },
}

impl Delta {
    /// The change from `before` to `after`.
    ///
    /// A fall is a wrap or [`Backwards`](Self::Backwards) by the rule of [`Width::change`], so
    /// no rate is negative. Values below zero are of no counter and count as a fall too.
    pub fn between(kind: Kind, width: CounterWidth, before: i64, after: i64) -> Self {
        if kind == Kind::Gauge {
            return Self::Level { from: before, to: after };
        }
        let (Ok(before), Ok(after)) = (u64::try_from(before), u64::try_from(after)) else {
            return Self::Backwards;
        };
        match Width::from(width).change(before, after) {
            Change::Grew(growth) => Self::Grew(growth),
            Change::Wrapped(growth) => Self::Wrapped(growth),
            Change::WentBack => Self::Backwards,
        }
    }

    /// Growth of a counter; `None` for a gauge and for one that went backwards.
    pub fn growth(self) -> Option<u64> {
        match self {
            Self::Grew(growth) | Self::Wrapped(growth) => Some(growth),
            Self::Backwards | Self::Level { .. } => None,
        }
    }

    /// Growth per second; `None` where the growth is not known or no time has passed.
    pub fn rate(self, elapsed: Duration) -> Option<f64> {
        let seconds = elapsed.as_secs_f64();
        let growth = self.growth()?;
        // Rounding above 2^53 is smaller than the error of the clock.
        (seconds > 0.0).then(|| growth as f64 / seconds)
    }
}

/// The changes of all values that both readings have, in the order of `after`.
pub fn deltas<'a>(
    before: &'a Counters,
    after: &'a Counters,
    width: CounterWidth,
) -> impl Iterator<Item = (&'a str, Delta)> {
    let same = Arc::ptr_eq(before.layout(), after.layout());
    (0..after.layout().len()).filter_map(move |position| {
        let name = after.layout().name(position)?;
        let kind = after.layout().kind(position)?;
        let to = after.at(position)?;
        let from = if same { before.at(position)? } else { before.get(name)? };
        Some((name, Delta::between(kind, width.of_counter(name), from, to)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::parse_snmp;

    #[test]
    fn growth_wrap_and_fall() {
        use CounterWidth::{Bits32, Bits64};
        let top = i64::from(u32::MAX);
        for (width, before, after, wanted) in [
            (Bits64, 5, 8, Delta::Grew(3)),
            (Bits64, top - 1, 3, Delta::Backwards),
            (Bits32, top - 1, 3, Delta::Wrapped(5)),
            (Bits32, 3, 1, Delta::Backwards),
            (Bits64, 3, -1, Delta::Backwards),
            (Bits64, -1, 3, Delta::Backwards),
            (Bits64, 0, i64::MAX, Delta::Grew(i64::MAX as u64)),
        ] {
            assert_eq!(
                Delta::between(Kind::Counter, width, before, after),
                wanted,
                "{before} {after}"
            );
        }
    }

    #[test]
    fn a_gauge_may_fall() {
        let delta = Delta::between(Kind::Gauge, CounterWidth::Bits64, 9, 4);
        assert_eq!(delta, Delta::Level { from: 9, to: 4 });
        assert_eq!(delta.growth(), None);
    }

    #[test]
    fn no_rate_without_time_or_growth() {
        assert_eq!(Delta::Grew(10).rate(Duration::from_secs(2)), Some(5.0));
        assert_eq!(Delta::Grew(10).rate(Duration::ZERO), None);
        assert_eq!(Delta::Backwards.rate(Duration::from_secs(1)), None);
    }

    #[test]
    fn by_name_where_layouts_differ() {
        let before = parse_snmp("Tcp: InSegs CurrEstab Gone\nTcp: 1 9 5\n");
        let after = parse_snmp("Tcp: New CurrEstab InSegs\nTcp: 7 4 3\n");
        let all: Vec<_> = deltas(&before, &after, CounterWidth::Bits64).collect();
        let wanted =
            [("TcpCurrEstab", Delta::Level { from: 9, to: 4 }), ("TcpInSegs", Delta::Grew(2))];
        assert_eq!(all, wanted);
    }

    #[test]
    fn machines() {
        for (machine, wanted) in [
            ("x86_64", CounterWidth::Bits64),
            ("aarch64", CounterWidth::Bits64),
            ("s390x", CounterWidth::Bits64),
            ("riscv64", CounterWidth::Bits64),
            ("i686", CounterWidth::Bits32),
            ("armv7l", CounterWidth::Bits32),
        ] {
            assert_eq!(CounterWidth::of_machine(machine), wanted, "{machine}");
        }
    }
}
