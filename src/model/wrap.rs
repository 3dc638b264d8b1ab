//! How much a counter of the kernel grew between two readings. Counters start again at zero after
//! the largest value of their width.

/// A number that the kernel counts in.
pub trait Wrapping: Copy {
    /// The growth from `before` to `after`; `None` where the number went back.
    fn growth(before: Self, after: Self) -> Option<u64>;

    /// Whether the counter fell rather than grew: the way back is the shorter one. A counter that
    /// grows by half its range between two readings is not distinguished from one that was reset.
    fn went_back(before: Self, after: Self) -> bool;
}

macro_rules! wrapping {
    ($($number:ty),*) => {$(
        impl Wrapping for $number {
            #[inline]
            fn growth(before: Self, after: Self) -> Option<u64> {
                // Nothing is below zero.
                (before == 0 || !Self::went_back(before, after))
                    .then(|| after.wrapping_sub(before).into())
            }

            #[inline]
            fn went_back(before: Self, after: Self) -> bool {
                after.wrapping_sub(before) > Self::MAX / 2
            }
        }
    )*};
}

wrapping!(u16, u32, u64);

/// The growth from `before` to `after`. `None` where it went back: a step back is no wrap, and what
/// happened in between is not known.
#[inline]
pub fn growth<T: Wrapping>(before: T, after: T) -> Option<u64> {
    T::growth(before, after)
}

/// Whether a counter fell rather than grew, see [`Wrapping::went_back`].
#[inline]
pub fn went_back<T: Wrapping>(before: T, after: T) -> bool {
    T::went_back(before, after)
}

/// How many bits a counter has, where only the value at hand is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// `u16`.
    Bits16,
    /// `u32`, and `unsigned long` of a 32-bit kernel.
    Bits32,
    /// `u64`, and `unsigned long` of a 64-bit kernel.
    Bits64,
}

/// What a counter did between two readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It grew by this much; 0 if it stood still.
    Grew(u64),
    /// It passed the end of its range and grew by this much.
    Wrapped(u64),
    /// It fell: it was reset, or is another counter.
    WentBack,
}

impl Width {
    /// The width of a counter with this many bits.
    #[inline]
    pub const fn of_bits(bits: u32) -> Self {
        match bits {
            16 => Self::Bits16,
            32 => Self::Bits32,
            _ => Self::Bits64,
        }
    }

    /// The growth from `before` to `after`, see [`growth`]. The values are of this width.
    #[inline]
    pub fn growth(self, before: u64, after: u64) -> Option<u64> {
        match self {
            Self::Bits16 => growth(before as u16, after as u16),
            Self::Bits32 => growth(before as u32, after as u32),
            Self::Bits64 => after.checked_sub(before),
        }
    }

    /// The change from `before` to `after`. A fall is a wrap where the growth would be less than
    /// half the range. A counter of 64 bits does not wrap.
    pub fn change(self, before: u64, after: u64) -> Change {
        if let Some(growth) = after.checked_sub(before) {
            return Change::Grew(growth);
        }
        let wrapped = match self {
            Self::Bits16 => u16::try_from(before).ok().and_then(|old| growth(old, after as u16)),
            Self::Bits32 => u32::try_from(before).ok().and_then(|old| growth(old, after as u32)),
            Self::Bits64 => None,
        };
        wrapped.map_or(Change::WentBack, Change::Wrapped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: u64 = u32::MAX as u64;
    const HALF: u64 = 1 << 31;

    #[test]
    fn growth_is_modulo_the_width() {
        use Width::{Bits16, Bits32, Bits64};
        for (width, before, after, expected) in [
            (Bits16, 7, 7, Some(0)),
            (Bits16, 65_535, 1, Some(2)),
            (Bits16, 1, 0, None),
            (Bits32, TOP, 1, Some(2)),
            (Bits32, TOP - 1, 3, Some(5)),
            (Bits32, 500, 489, None),
            (Bits32, 500, 7, None),
            (Bits64, TOP, TOP + 9, Some(9)),
            (Bits64, TOP, 9, None),
            (Bits64, u64::MAX, 1, None),
        ] {
            assert_eq!(width.growth(before, after), expected, "{width:?} {before} {after}");
        }
        assert_eq!(growth(65_535u16, 1), Some(2));
        assert_eq!(growth(u32::MAX, 1), Some(2));
        assert_eq!(growth(2u32, 1), None);
        // Back over the wrap; and a first reading, which is all growth.
        assert_eq!(growth(5u32, u32::MAX - 5), None);
        assert_eq!(growth(0u32, u32::MAX), Some(TOP));
        assert_eq!(growth(7u64, 1), None);
        assert_eq!(Width::of_bits(16), Bits16);
        assert_eq!(Width::of_bits(32), Bits32);
        assert_eq!(Width::of_bits(64), Bits64);
    }

    #[test]
    fn a_fall_by_less_than_half_the_range_went_back() {
        for (before, after, expected) in [
            (5u32, 5, false),
            (5, 4, true),
            (u32::MAX, 0, false),
            (1 << 31, 0, true),
            ((1 << 31) + 1, 0, false),
            (0, 1 << 31, true),
            (0, (1 << 31) - 1, false),
        ] {
            assert_eq!(went_back(before, after), expected, "{before} {after}");
        }
        assert!(went_back(3u16, 1) && !went_back(65_535u16, 1));
        assert!(went_back(3u64, 1));
    }

    #[test]
    fn changes() {
        use Change::{Grew, WentBack, Wrapped};
        use Width::{Bits16, Bits32, Bits64};
        for (width, before, after, expected) in [
            (Bits64, 5, 5, Grew(0)),
            (Bits64, 5, 8, Grew(3)),
            (Bits64, TOP - 1, 3, WentBack),
            (Bits64, u64::MAX, 3, WentBack),
            (Bits32, TOP - 1, 3, Wrapped(5)),
            (Bits32, 3, 1, WentBack),
            (Bits32, TOP + 1, 3, WentBack),
            (Bits32, TOP + 1, TOP + 3, Grew(2)),
            (Bits32, HALF, 0, WentBack),
            (Bits32, HALF + 1, 0, Wrapped(HALF - 1)),
            (Bits32, 0, HALF, Grew(HALF)),
            (Bits16, 65_535, 0, Wrapped(1)),
            (Bits16, 32_768, 0, WentBack),
            (Bits16, 65_536, 0, WentBack),
        ] {
            assert_eq!(width.change(before, after), expected, "{width:?} {before} {after}");
        }
    }
}
