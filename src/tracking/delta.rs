//! The growth of one socket's counters.

use super::counters::{COUNT, COUNTERS, Counters, Shape};
use crate::model::{Field, Socket};

/// The growth of a socket's counters between two observations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delta {
    /// Bit n is set if both observations have counter n, and it did not go back.
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

    /// The growth of `field`; `None` where it is no counter, was not sent, or went back.
    pub fn growth(&self, field: &Field) -> Option<u64> {
        let index = COUNTERS.iter().position(|counter| std::ptr::eq(*counter, field))?;
        (self.present & 1 << index != 0).then(|| self.growth.get(index).copied()).flatten()
    }

    /// Every counter whose growth is known, with it.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::example::{socket, tcp_info};
    use crate::model::fields::tcp_info as t;
    use crate::model::wrap::Width;
    use crate::model::{Kind, fields};

    fn row(words: &[(usize, u32)]) -> Socket {
        Socket { tcp_info: Some(tcp_info(words)), ..socket() }
    }

    #[test]
    fn a_step_back_is_no_growth() {
        // total_rto_time while a timeout ran for 15 ms, and where the next began 4 ms ago: the
        // difference is 4294967285 in 32 bits. rehash, whose timeouts have 16 bits. busy_time, whose
        // jiffies have 32.
        let before = row(&[(68, 100), (136, 9), (168, 0), (172, 1_000), (236, 65_537), (244, 15)]);
        let after = row(&[(68, 100), (136, 12), (168, 5), (172, 0), (236, 2), (244, 4)]);
        let delta = Delta::between(&before, &after);
        for field in [&t::TOTAL_RTO_TIME, &t::REHASH, &t::BUSY_TIME] {
            assert_eq!(delta.growth(field), None, "{}", field.name);
        }
        assert_eq!(delta.growth(&t::SEGS_OUT), Some(3));
        assert!(!delta.reset);
        assert!(delta.iter().all(|(_, growth)| growth <= 3));
    }

    #[test]
    fn no_counter_grows_by_nearly_its_range() {
        // Each alone, from 100 to 89 and over the wrap.
        for field in COUNTERS.iter().filter(|field| field.slot().is_some()) {
            let slot = field.slot().unwrap();
            let (at, bytes) = slot.range();
            let of = |value: u64| {
                let mut info = [0; 280];
                info[at..at + bytes].copy_from_slice(&value.to_ne_bytes()[..bytes]);
                let info = crate::wire::TcpInfo::new(&info, Default::default());
                Socket { tcp_info: Some(info), ..socket() }
            };
            let back = Delta::between(&of(100), &of(89));
            // A fall of these is a reset (`tcp_disconnect()`), after which all is growth.
            let expected = if back.reset { Some(89) } else { None };
            assert_eq!(back.growth(field), expected, "{}", field.name);
            if Width::of_bits(slot.bits()) != Width::Bits64 {
                let top = (1 << slot.bits()) - 1;
                let wrapped = Delta::between(&of(top), &of(7)).growth(field);
                assert_eq!(wrapped, Some(8), "{}", field.name);
            }
        }
    }

    #[test]
    fn a_long_interval_is_no_reset() {
        // 3 GiB and 2^31 + 5 segments.
        let before = row(&[(136, 10), (200, 0), (252, 100)]);
        let after = row(&[(136, (1 << 31) + 15), (200, 3 << 30), (252, 500)]);
        let delta = Delta::between(&before, &after);
        assert!(!delta.reset);
        assert_eq!(delta.growth(&t::BYTES_SENT), Some(3 << 30));
        // Bytes in 32 bits may have wrapped.
        assert_eq!(delta.growth(&t::DELIVERED_E1_BYTES), None);
        let total = fields::all().filter(|field| field.kind == Kind::Total).count();
        assert_eq!(total, 8);
    }
}
