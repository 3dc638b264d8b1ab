//! The least, the largest and the mean of a connection's figures over all polls.

use super::evidence::Evidence;
use crate::model::State;
use crate::model::fields::tcp_info as t;
use crate::wire::{Slot, TcpInfo};

/// Offsets of fields as constants: they are read for every socket.
macro_rules! slots {
    ($($name:ident)*) => { $(const $name: Option<Slot> = t::$name.slot();)* };
}

slots! { RTO SND_MSS PMTU SND_SSTHRESH RCV_WND RCV_SSTHRESH }

/// A threshold of slow start from which on none is set (`TCP_INFINITE_SSTHRESH`).
const NO_THRESHOLD: u32 = 0x7fff_ffff;

/// Changes of the slow start threshold from which on its range says something.
const MIN_CHANGES: u32 = 4;

/// Figures of the polls that changed something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extremes {
    mss: u32,
    pmtu: u32,
    rtt: u32,
    least_rto: u32,
    /// Of the round trips.
    sum_rtt: u64,
    rtts: u32,
    /// The least and the largest slow start threshold, the last one, and how often it changed.
    thresholds: [u32; 2],
    last_threshold: u32,
    changes: u32,
    window: u32,
}

impl Default for Extremes {
    fn default() -> Self {
        Self {
            mss: 0,
            pmtu: 0,
            rtt: 0,
            least_rto: u32::MAX,
            sum_rtt: 0,
            rtts: 0,
            thresholds: [u32::MAX, 0],
            last_threshold: 0,
            changes: 0,
            window: 0,
        }
    }
}

impl Extremes {
    /// Takes a reading.
    #[inline]
    pub(super) fn take(&mut self, info: &TcpInfo, state: State) {
        let read = |slot: Option<Slot>| slot.and_then(|slot| info.read(slot)).map(|it| it as u32);
        self.mss = self.mss.max(read(SND_MSS).unwrap_or(0));
        self.pmtu = self.pmtu.max(read(PMTU).unwrap_or(0));
        self.least_rto = self.least_rto.min(read(RTO).unwrap_or(0));
        if let Some(rtt) = t::RTT.integer_of(info, state) {
            self.rtt = self.rtt.max(rtt as u32);
            self.sum_rtt += rtt;
            self.rtts += 1;
        }
        if let Some(threshold) = read(SND_SSTHRESH).filter(|&it| it < NO_THRESHOLD) {
            let [least, largest] = self.thresholds;
            self.thresholds = [least.min(threshold), largest.max(threshold)];
            self.changes += u32::from(self.last_threshold != 0 && self.last_threshold != threshold);
            self.last_threshold = threshold;
        }
        self.window = self.window.max(read(RCV_WND).or(read(RCV_SSTHRESH)).unwrap_or(0));
    }

    /// Writes them down.
    pub(super) fn write(&self, evidence: &mut Evidence) {
        let [least, largest] = self.thresholds;
        evidence.largest_mss = self.mss.into();
        evidence.pmtu = if evidence.pmtu == 0 { self.pmtu.into() } else { evidence.pmtu };
        evidence.largest_pmtu = self.pmtu.into();
        evidence.largest_rtt_us = self.rtt.into();
        evidence.mean_rtt_us = self.sum_rtt.checked_div(self.rtts.into());
        evidence.least_rto_us = if self.least_rto == u32::MAX { 0 } else { self.least_rto.into() };
        // Fewer changes do not show whether it always changes to the same.
        evidence.thresholds = (self.changes >= MIN_CHANGES).then(|| [least.into(), largest.into()]);
        evidence.largest_rcv_wnd = Some(self.window.into()).filter(|&window: &u64| window > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::healthy;
    use crate::model::example::tcp_info;

    impl Extremes {
        fn written(&self) -> Evidence {
            let mut evidence = healthy();
            self.write(&mut evidence);
            evidence
        }
    }

    #[test]
    fn thresholds_round_trips_and_windows() {
        let mut extremes = Extremes::default();
        for (rtt, threshold, window) in
            [(40_000, 0x7fff_ffff, 9_000), (60_000, 20, 30_000), (50_000, 80, 20_000)]
        {
            assert_eq!(extremes.written().thresholds, None, "too few");
            let figures = [(8, 204_000), (16, 1448), (60, 1500), (68, rtt), (76, threshold)];
            let figures = [figures.as_slice(), &[(232, window)]].concat();
            extremes.take(&tcp_info(&figures), State::Established);
        }
        for threshold in [80, 70, 75, 74] {
            extremes.take(&tcp_info(&[(68, 50_000), (76, threshold)]), State::Established);
        }
        let evidence = extremes.written();
        assert_eq!(evidence.mean_rtt_us, Some(50_000));
        assert_eq!(evidence.largest_rtt_us, 60_000);
        assert_eq!(evidence.thresholds, Some([20, 80]), "none is no threshold");
        assert_eq!(evidence.largest_rcv_wnd, Some(30_000));
        let untouched = Extremes::default().written();
        assert_eq!((untouched.mean_rtt_us, untouched.thresholds), (None, None));
    }
}
