//! The growth of one socket's counters.

use crate::model::{Field, Socket, State, fields};
use crate::wire::TcpInfo;
use fields::tcp_info as t;

/// Every counter of a socket, in the order of the output.
pub static COUNTERS: &[&Field] = &[
    &t::TOTAL_RETRANS,
    &t::BYTES_ACKED,
    &t::BYTES_RECEIVED,
    &t::SEGS_OUT,
    &t::SEGS_IN,
    &t::DATA_SEGS_IN,
    &t::DATA_SEGS_OUT,
    &t::BUSY_TIME,
    &t::RWND_LIMITED,
    &t::SNDBUF_LIMITED,
    &t::DELIVERED,
    &t::DELIVERED_CE,
    &t::BYTES_SENT,
    &t::BYTES_RETRANS,
    &t::DSACK_DUPS,
    &t::REORD_SEEN,
    &t::RCV_OOOPACK,
    &t::REHASH,
    &t::TOTAL_RTO,
    &t::TOTAL_RTO_RECOVERIES,
    &t::TOTAL_RTO_TIME,
    &t::RECEIVED_CE,
    &t::DELIVERED_E1_BYTES,
    &t::DELIVERED_E0_BYTES,
    &t::DELIVERED_CE_BYTES,
    &t::RECEIVED_E1_BYTES,
    &t::RECEIVED_E0_BYTES,
    &t::RECEIVED_CE_BYTES,
    &fields::DROPS,
];

/// [`COUNTERS`] has this many.
const COUNT: usize = 29;

/// Counters of `tcp_info` by width: the place among [`COUNTERS`], and the offset.
const OF_16_BITS: [(usize, u16); 2] = of_width(16);
const OF_32_BITS: [(usize, u16); 19] = of_width(32);
const OF_64_BITS: [(usize, u16); 7] = of_width(64);

/// The `N` counters of `tcp_info` that have this many bits.
const fn of_width<const N: usize>(bits: u32) -> [(usize, u16); N] {
    let mut places = [(0, 0); N];
    let (mut index, mut found) = (0, 0);
    while index < COUNT {
        if let Some(slot) = COUNTERS[index].slot()
            && slot.bits() == bits
        {
            places[found] = (index, slot.range().0 as u16);
            found += 1;
        }
        index += 1;
    }
    // Evaluated while compiling, as is all of this.
    assert!(found == N, "the arrays above hold all counters of their width");
    places
}

/// Where the counters lie among [`COUNTERS`] that fall when a socket is reset.
const BYTES_ACKED: usize = index_of(&t::BYTES_ACKED);
const BYTES_RECEIVED: usize = index_of(&t::BYTES_RECEIVED);
const BYTES_SENT: usize = index_of(&t::BYTES_SENT);
const SEGS_OUT: usize = index_of(&t::SEGS_OUT);

/// The one counter that is not of `tcp_info`.
const DROPS: usize = COUNT - 1;

/// Where the first counter of `tcp_info` lies; before it are clocks that move
/// without traffic.
const FIRST: usize = {
    let (mut first, mut index) = (usize::MAX, 0);
    while index < COUNT {
        if let Some(slot) = COUNTERS[index].slot()
            && slot.range().0 < first
        {
            first = slot.range().0;
        }
        index += 1;
    }
    first
};

/// By length of `tcp_info`: which of its counters lie in it.
static PRESENT: [u32; TcpInfo::CAPACITY + 1] = {
    let mut present = [0; TcpInfo::CAPACITY + 1];
    let mut length = 0;
    while length < present.len() {
        let mut index = 0;
        while index < COUNT {
            if let Some(slot) = COUNTERS[index].slot()
                && slot.range().0 + slot.range().1 <= length
            {
                present[length] |= 1 << index;
            }
            index += 1;
        }
        length += 1;
    }
    present
};

/// The place of a counter of `tcp_info`, told by its offset.
const fn index_of(field: &Field) -> usize {
    let mut index = 0;
    while index < COUNT {
        if let (Some(one), Some(other)) = (COUNTERS[index].slot(), field.slot())
            && one.range().0 == other.range().0
        {
            return index;
        }
        index += 1;
    }
    COUNT
}

/// What grew by how much between two looks at a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delta {
    /// Bit n: both looks had counter n.
    present: u32,
    /// The socket was disconnected and used anew in between, so that its
    /// counters started again from zero.
    pub reset: bool,
    growth: [u64; COUNT],
}

impl Delta {
    /// From one look to a later one at the same socket.
    #[inline]
    pub fn between(before: &Socket, after: &Socket) -> Self {
        let mut delta = Self { present: 0, reset: false, growth: [0; COUNT] };
        // What is a listener's is not its connections': `Field::read`.
        let listens = before.state == State::Listen || after.state == State::Listen;
        if let (Some(old), Some(new), false) = (&before.tcp_info, &after.tcp_info, listens) {
            delta.compare(old, new);
            if delta.shows_reset() {
                delta = Self { present: 0, reset: true, growth: [0; COUNT] };
                delta.compare(&TcpInfo::ZERO, new);
            }
        }
        let drops = if delta.reset {
            fields::DROPS.integer(after)
        } else {
            fields::DROPS.growth(before, after)
        };
        delta.set(DROPS, drops);
        delta.present |= u32::from(drops.is_some()) << DROPS;
        delta
    }

    /// All counters of `tcp_info`, by width: asking each [`Field`] for its growth
    /// takes some 1,100 ns where this takes 50, and every poll does it for every
    /// socket. Of many sockets most are idle between two polls, which one
    /// comparison shows.
    #[inline]
    fn compare(&mut self, before: &TcpInfo, after: &TcpInfo) {
        let length = before.length().min(after.length());
        self.present = PRESENT.get(length).copied().unwrap_or(0);
        if after.is_same_from(FIRST, before) {
            return;
        }
        for &(index, at) in &OF_32_BITS {
            self.set(index, after.growth_of_u32(before, at));
        }
        for &(index, at) in &OF_64_BITS {
            self.set(index, after.growth_of_u64(before, at));
        }
        for &(index, at) in &OF_16_BITS {
            self.set(index, after.growth_of_u16(before, at));
        }
    }

    /// `tcp_disconnect()` zeroes the counters of a socket that lives on. The byte
    /// counters have 64 bits and never wrap, so that such a growth is a fall.
    /// Segments have 32: fewer than before is a wrap only if the way around is
    /// the shorter one.
    #[inline]
    fn shows_reset(&self) -> bool {
        let beyond = |index: usize, limit: u64| self.growth.get(index).is_some_and(|&g| g > limit);
        beyond(BYTES_SENT, u64::MAX / 2)
            || beyond(BYTES_ACKED, u64::MAX / 2)
            || beyond(BYTES_RECEIVED, u64::MAX / 2)
            || beyond(SEGS_OUT, u64::from(u32::MAX / 2))
    }

    #[inline]
    fn set(&mut self, index: usize, grown: Option<u64>) {
        if let (Some(grown), Some(growth)) = (grown, self.growth.get_mut(index)) {
            *growth = grown;
        }
    }

    /// How much `field` grew; `None` where it is no counter or was not sent.
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_counters_of_the_catalogue_are_here() {
        let catalogue: Vec<&str> = fields::all()
            .filter(|field| field.kind == crate::model::Kind::Counter)
            .map(|field| field.name)
            .collect();
        let here: Vec<&str> = COUNTERS.iter().map(|field| field.name).collect();
        assert_eq!(here, catalogue);
        assert_eq!(COUNTERS.len(), COUNT);
        for (index, name) in [
            (BYTES_ACKED, "bytes_acked"),
            (BYTES_RECEIVED, "bytes_received"),
            (BYTES_SENT, "bytes_sent"),
            (SEGS_OUT, "segs_out"),
        ] {
            assert_eq!(here[index], name);
        }
        assert_eq!(OF_16_BITS.len() + OF_32_BITS.len() + OF_64_BITS.len() + 1, COUNT);
        assert!(std::ptr::eq(COUNTERS[COUNT - 1], &raw const fields::DROPS));
    }

    /// Every byte of these differs, so that a wrong place shows.
    fn socket(length: usize, byte: impl Fn(usize) -> u8) -> Socket {
        let info: Vec<u8> = (0..length).map(&byte).collect();
        let words: Vec<u8> = (0..36).map(byte).collect();
        let mut payload = vec![2, State::Established as u8];
        payload.resize(crate::wire::HEADER_LENGTH, 0);
        for (kind, value) in [(2u16, &info), (7, &words)] {
            payload.extend((value.len() as u16 + 4).to_ne_bytes());
            payload.extend(kind.to_ne_bytes());
            payload.extend(value);
        }
        let reply = crate::wire::Reply::new(&payload).unwrap();
        Socket::new(&reply, crate::wire::EcnWord::Bits).unwrap()
    }

    #[test]
    fn all_counters_grow_as_the_catalogue_says() {
        for length in [104, 136, 192, 232, 240, 248, 280] {
            let before = socket(length, |at| at as u8);
            for (name, after) in [
                ("grown", socket(length, |at| (at as u8).wrapping_mul(3).wrapping_add(7))),
                ("the same", before),
                ("fallen", socket(length, |at| at as u8 / 2)),
            ] {
                let delta = Delta::between(&before, &after);
                for field in COUNTERS {
                    let expected = if delta.reset {
                        field.integer(&after)
                    } else {
                        field.growth(&before, &after)
                    };
                    assert_eq!(delta.growth(field), expected, "{name} {length} {}", field.name);
                }
            }
        }
        let mut listener = socket(280, |at| at as u8);
        listener.state = State::Listen;
        let delta = Delta::between(&listener, &listener);
        assert_eq!(delta.iter().map(|(field, _)| field.name).collect::<Vec<_>>(), ["drops"]);
    }
}
