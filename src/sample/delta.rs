//! The growth of one socket's counters.

use crate::model::{Field, Socket, fields};
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
        let reset = was_reset(before, after);
        let mut delta = Self { present: 0, reset, growth: [0; COUNT] };
        for (index, (field, growth)) in COUNTERS.iter().zip(&mut delta.growth).enumerate() {
            let grown = if reset { field.integer(after) } else { field.growth(before, after) };
            if let Some(grown) = grown {
                *growth = grown;
                delta.present |= 1 << index;
            }
        }
        delta
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

/// `tcp_disconnect()` zeroes the counters of a socket that lives on. The byte
/// counters have 64 bits and never wrap. Segments have 32: fewer than before is
/// a wrap only if the way around is the shorter one.
fn was_reset(before: &Socket, after: &Socket) -> bool {
    let fell = |field: &Field| match (field.integer(before), field.integer(after)) {
        (Some(before), Some(after)) => after < before,
        _ => false,
    };
    fell(&t::BYTES_SENT)
        || fell(&t::BYTES_ACKED)
        || fell(&t::BYTES_RECEIVED)
        || t::SEGS_OUT.growth(before, after).is_some_and(|growth| growth > u64::from(u32::MAX / 2))
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
    }
}
