//! How much a connection's counters grew while it was watched.

use crate::model::Field;
use crate::model::fields::tcp_info as t;
use crate::model::wrap::Width;
use crate::wire::TcpInfo;

/// The counters that rules use.
static COUNTERS: [&Field; COUNT] = [
    &t::TOTAL_RETRANS,
    &t::SEGS_OUT,
    &t::SEGS_IN,
    &t::DATA_SEGS_OUT,
    &t::DATA_SEGS_IN,
    &t::RCV_OOOPACK,
    &t::BYTES_ACKED,
    &t::BYTES_RECEIVED,
    &t::BUSY_TIME,
    &t::RWND_LIMITED,
    &t::SNDBUF_LIMITED,
    &t::DSACK_DUPS,
    &t::REORD_SEEN,
    &t::TOTAL_RTO,
    &t::TOTAL_RTO_TIME,
];

const COUNT: usize = 15;

/// The sum of the growth from poll to poll. The difference of the first reading and the last would
/// not do: a counter of 32 bits may wrap several times while a connection is watched, and one that
/// goes back ([`Kind::Total`](crate::model::Kind::Total)) may end below its start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Growth {
    sums: [u64; COUNT],
}

impl Growth {
    /// Everything up to a first reading: the connection was opened while it was watched.
    pub(super) fn since_opened(now: &TcpInfo) -> Self {
        let mut growth = Self::default();
        for (sum, field) in growth.sums.iter_mut().zip(COUNTERS) {
            *sum = field.slot().and_then(|slot| now.read(slot)).unwrap_or(0);
        }
        growth
    }

    /// Adds what happened between two readings. The growth of a counter that went back is not known,
    /// and not added.
    pub(super) fn add(&mut self, before: &TcpInfo, now: &TcpInfo) {
        for (sum, field) in self.sums.iter_mut().zip(COUNTERS) {
            let grown = field.slot().and_then(|slot| {
                let width = Width::of_bits(slot.bits());
                width.growth(before.read(slot)?, now.read(slot)?)
            });
            *sum = sum.saturating_add(grown.unwrap_or(0));
        }
    }

    /// The growth of one of the counters.
    pub(super) fn of(&self, field: &Field) -> Option<u64> {
        let at = COUNTERS.iter().position(|known| std::ptr::eq(*known, field))?;
        self.sums.get(at).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::example::tcp_info;

    #[test]
    fn wraps_add_up_and_steps_back_do_not() {
        // total_rto_time while a timeout runs, and where the next begins before the first ends.
        let times = [4_000, 4_900, 5_600, 5_589, 6_589];
        // segs_out, twice around.
        let segments = [4_294_967_290, 2_000_000_000, 4_000_000_000, 1_705_032_704, 3_705_032_704];
        let readings: Vec<_> = times
            .iter()
            .zip(segments)
            .map(|(&ms, out)| tcp_info(&[(136, out), (244, ms)]))
            .collect();
        let mut growth = Growth::default();
        for pair in readings.windows(2) {
            growth.add(&pair[0], &pair[1]);
        }
        assert_eq!(growth.of(&t::TOTAL_RTO_TIME), Some(2_600));
        assert_eq!(growth.of(&t::SEGS_OUT), Some(8_000_000_006));
        assert_eq!(growth.of(&t::RTT), None);
        let opened = Growth::since_opened(&readings[0]);
        assert_eq!(opened.of(&t::TOTAL_RTO_TIME), Some(4_000));
    }
}
