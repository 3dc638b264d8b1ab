//! Sizes of buffers: when the kernel is still enlarging them, and how large they have to be.

use super::evidence::Evidence;

/// Round trips in which windows and buffers grow to their size: slow start and the receiver's
/// autotuning at most double them in each, from ten segments or 64 KiB.
const ROUND_TRIPS: f64 = 20.0;

/// Whether a connection is so young that slow start and autotuning still enlarge its window and its
/// buffers: what limits it then is no setting. `false` without a measured round trip.
pub(super) fn is_growing(evidence: &Evidence) -> bool {
    let (Some(busy), Some(rtt)) = (evidence.busy_us, evidence.min_rtt_us.or(evidence.rtt_us))
    else {
        return false;
    };
    evidence.opened_while_watched && (busy as f64) < ROUND_TRIPS * rtt as f64
}

/// Bytes of payload that congestion control lets a connection have in flight.
pub(super) fn window(evidence: &Evidence) -> u64 {
    evidence.cwnd.saturating_mul(evidence.mss)
}

/// The `SO_SNDBUF` with which a connection whose buffer holds it back carries what congestion control
/// allows, and at least twice as much as now. The kernel doubles what a program asks for, since a
/// buffer holds as much overhead as payload.
pub(super) fn wanted_send_buffer(evidence: &Evidence, size: u64) -> u64 {
    window(evidence).max(size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::healthy;

    #[test]
    fn young_connections_grow() {
        // Half a second at 40 ms.
        let young = Evidence {
            opened_while_watched: true,
            busy_us: Some(500_000),
            min_rtt_us: Some(40_000),
            ..healthy()
        };
        assert!(is_growing(&young));
        assert!(!is_growing(&Evidence { busy_us: Some(900_000), ..young }));
        assert!(!is_growing(&Evidence { min_rtt_us: Some(1_000), ..young }));
        assert!(!is_growing(&Evidence { opened_while_watched: false, ..young }));
    }

    #[test]
    fn sizes_follow_the_window_and_the_doubling() {
        // 100 segments are allowed.
        let held = Evidence { cwnd: 100, mss: 1_448, ..healthy() };
        assert_eq!(wanted_send_buffer(&held, 12_288), 144_800);
        assert_eq!(wanted_send_buffer(&Evidence { cwnd: 4, ..held }, 12_288), 12_288);
    }
}
