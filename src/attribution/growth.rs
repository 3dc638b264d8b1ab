//! A socket's growth as an array, for fast sums.

use crate::model::{Socket, fields};
use crate::tracking::{COUNTERS, Delta};

/// A counter's index in [`COUNTERS`]; a test checks that the two agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Slot {
    TotalRetrans = 0,
    BytesAcked = 1,
    BytesReceived = 2,
    SegsOut = 3,
    SegsIn = 4,
    DataSegsIn = 5,
    DataSegsOut = 6,
    BusyTime = 7,
    RwndLimited = 8,
    SndbufLimited = 9,
    Delivered = 10,
    DeliveredCe = 11,
    BytesSent = 12,
    BytesRetrans = 13,
    DsackDups = 14,
    ReordSeen = 15,
    RcvOoopack = 16,
    Rehash = 17,
    TotalRto = 18,
    TotalRtoRecoveries = 19,
    Drops = 28,
}

/// The number of [`COUNTERS`].
pub(crate) const COUNT: usize = 29;

/// Which counters the kernel keeps per socket, judged by the structures that it sends: `tcp_info` is
/// as long for an idle socket or a listener as for a busy one. Which sockets moved in an interval says
/// nothing about that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KernelCounters {
    /// The longest `tcp_info`, in bytes; 0 before any was seen.
    longest: usize,
    has_drops: bool,
}

impl KernelCounters {
    /// Takes note of what a socket has.
    #[inline]
    pub(crate) fn see(&mut self, socket: &Socket) {
        if let Some(info) = &socket.tcp_info
            && info.sent_length() > self.longest
        {
            self.longest = info.sent_length();
        }
        self.has_drops = self.has_drops || fields::DROPS.integer(socket).is_some();
    }

    /// Whether any socket was seen.
    pub(crate) fn is_known(self) -> bool {
        self.longest > 0
    }

    /// The counters that it keeps, as bits in the order of [`COUNTERS`].
    fn present(self) -> u32 {
        (0..COUNT).filter(|at| self.has_at(*at)).fold(0, |present, at| present | 1 << at)
    }

    /// Whether the kernel keeps a counter per socket.
    pub(crate) fn has(self, slot: Slot) -> bool {
        self.has_at(slot as usize)
    }

    fn has_at(self, at: usize) -> bool {
        match COUNTERS.get(at).and_then(|field| field.slot()) {
            Some(place) => {
                let (at, length) = place.range();
                at + length <= self.longest
            }
            None => self.has_drops,
        }
    }

    /// As if these counters had been seen.
    #[cfg(test)]
    pub(crate) fn of<'g>(growths: impl Iterator<Item = &'g Growth>) -> Self {
        let mut all = Growth::default();
        growths.for_each(|growth| all.add(growth));
        let present = COUNTERS.iter().enumerate().filter(|(at, _)| all.present & 1 << at != 0);
        let longest = present.filter_map(|(_, field)| field.slot().map(|slot| slot.range()));
        let longest = longest.map(|(at, length)| at + length).max();
        Self { longest: longest.unwrap_or(0), has_drops: all.has(Slot::Drops) }
    }
}

/// How much each counter grew. Absent counters and unchanged ones are kept apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Growth {
    present: u32,
    values: [u64; COUNT],
}

impl Growth {
    /// Converts a delta in one pass; [`Delta::growth`] looks up a field on each call.
    pub(crate) fn of(delta: &Delta) -> Self {
        let mut growth = Self::default();
        let mut positions = COUNTERS.iter().zip(&mut growth.values).enumerate();
        // Both iterate over COUNTERS in its order.
        for (field, grown) in delta.iter() {
            let position = positions.find(|(_, (counter, _))| std::ptr::eq(**counter, field));
            if let Some((index, (_, value))) = position {
                *value = grown;
                growth.present |= 1 << index;
            }
        }
        growth
    }

    /// Growth of a counter, 0 where the kernel does not have it.
    pub(crate) fn get(&self, slot: Slot) -> u64 {
        self.values.get(slot as usize).copied().unwrap_or(0)
    }

    /// Growth of the counter at an index in [`COUNTERS`].
    pub(crate) fn at(&self, position: usize) -> u64 {
        self.values.get(position).copied().unwrap_or(0)
    }

    /// Whether the kernel sent the counter.
    pub(crate) fn has(&self, slot: Slot) -> bool {
        self.present & 1 << slot as usize != 0
    }

    /// Also has the counters that the kernel keeps per socket; those that it had not did not grow.
    pub(crate) fn assume(&mut self, kernel: KernelCounters) {
        self.present |= kernel.present();
    }

    /// Adds another growth. A counter is present if either has it.
    pub(crate) fn add(&mut self, other: &Self) {
        self.present |= other.present;
        self.values.iter_mut().zip(other.values).for_each(|(sum, more)| *sum += more);
    }

    /// Reduces a counter, to 0 at least.
    pub(crate) fn reduce(&mut self, slot: Slot, by: u64) {
        if let Some(value) = self.values.get_mut(slot as usize) {
            *value = value.saturating_sub(by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_match_the_ledger_counters() {
        assert_eq!(COUNTERS.len(), COUNT);
        for (slot, name) in [
            (Slot::TotalRetrans, "total_retrans"),
            (Slot::BytesAcked, "bytes_acked"),
            (Slot::BytesReceived, "bytes_received"),
            (Slot::SegsOut, "segs_out"),
            (Slot::SegsIn, "segs_in"),
            (Slot::DataSegsIn, "data_segs_in"),
            (Slot::DataSegsOut, "data_segs_out"),
            (Slot::BusyTime, "busy_time"),
            (Slot::RwndLimited, "rwnd_limited"),
            (Slot::SndbufLimited, "sndbuf_limited"),
            (Slot::Delivered, "delivered"),
            (Slot::DeliveredCe, "delivered_ce"),
            (Slot::BytesSent, "bytes_sent"),
            (Slot::BytesRetrans, "bytes_retrans"),
            (Slot::DsackDups, "dsack_dups"),
            (Slot::ReordSeen, "reord_seen"),
            (Slot::RcvOoopack, "rcv_ooopack"),
            (Slot::Rehash, "rehash"),
            (Slot::TotalRto, "total_rto"),
            (Slot::TotalRtoRecoveries, "total_rto_recoveries"),
            (Slot::Drops, "drops"),
        ] {
            assert_eq!(COUNTERS[slot as usize].name, name);
        }
    }
}
