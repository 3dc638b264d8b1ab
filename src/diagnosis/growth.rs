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
    /// Nothing was retransmitted from the reading before last to the last one.
    was_quiet: bool,
    /// Segments that the peer reported twice between readings without a retransmit, if the two
    /// readings before showed none either: a report may be late by one.
    lone_duplicates: u64,
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
        let grown = |field: &Field| {
            let slot = field.slot()?;
            Width::of_bits(slot.bits()).growth(before.read(slot)?, now.read(slot)?)
        };
        for (sum, field) in self.sums.iter_mut().zip(COUNTERS) {
            *sum = sum.saturating_add(grown(field).unwrap_or(0));
        }
        let is_quiet = grown(&t::TOTAL_RETRANS) == Some(0);
        if is_quiet && self.was_quiet {
            let duplicates = grown(&t::DSACK_DUPS).unwrap_or(0);
            self.lone_duplicates = self.lone_duplicates.saturating_add(duplicates);
        }
        self.was_quiet = is_quiet;
    }

    /// Notes a reading without any change.
    pub(super) fn rest(&mut self) {
        self.was_quiet = true;
    }

    /// See [`Evidence::lone_dsack_dups`](super::Evidence::lone_dsack_dups).
    pub(super) fn lone_duplicates(&self) -> u64 {
        self.lone_duplicates
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
    fn duplicates_without_a_retransmit_are_told_apart() {
        // total_retrans and dsack_dups.
        let readings = [(5, 1), (6, 1), (6, 2), (6, 4), (6, 4), (6, 5), (7, 9)];
        let readings = readings.map(|(retrans, dups)| tcp_info(&[(100, retrans), (216, dups)]));
        let mut growth = Growth::default();
        for pair in readings.windows(2) {
            growth.add(&pair[0], &pair[1]);
        }
        // Not those of the third reading: they may be of the retransmit before.
        assert_eq!((growth.lone_duplicates(), growth.of(&t::DSACK_DUPS)), (3, Some(8)));
        let mut rested = Growth::default();
        rested.rest();
        rested.add(&readings[2], &readings[3]);
        assert_eq!(rested.lone_duplicates(), 2);
    }

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
