//! What a congestion control can carry over a path that loses segments.

use super::evidence::Evidence;
use super::rule::Context;
use super::sign::Sign;

/// Loss above which bbr gives way too: with its gain of 1.25 it takes back what it probes for, up to
/// about a fifth of all segments.
const BBR_LOSS: f64 = 0.15;

/// Of the time with data to send, the part that another limit may have without being the cause.
const OTHER_LIMIT: f64 = 0.3;

/// How far a rate may be from what the model says and still be explained by it.
///
/// Above: what a connection sends in a look of five seconds varies about the model the more the fewer
/// losses there are. Of looks with the least number of losses that the rules accept, at round trips of
/// 20 to 200 ms and losses of 0.03 to 3 %, 95 in 100 are below 1.7 times the model once the connection
/// is in its steady state (`models_and_their_limits` repeats that). More is sent by connections that
/// slow start has left above it: those are not held back by loss yet.
///
/// Below: the models leave out the waits of timeouts. With them (PFTK: Padhye, Firoiu, Towsley, Kurose,
/// 1998), a timer of 200 ms above the round trip and a loss of 3 %, a path of 20 ms carries 0.56 of the
/// model, and the variation about that ends at 0.65 of it.
const AGREES: [f64; 2] = [0.35, 1.7];

/// The largest slow start threshold by the least, up to which every loss came at the same window.
const STEADY: f64 = 1.6;

/// The mean round trip by the least one, from which a queue is often there.
const LONGER: f64 = 1.1;

/// Microseconds that it has to be longer at least: shorter ones are jitter of the hosts.
const LONGER_US: f64 = 2_000.0;

/// How a congestion control answers loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    /// Halves its window, and grows it by a segment per round trip (RFC 5681).
    Reno,
    /// RFC 9438.
    Cubic,
    /// Models the path, and ignores loss up to a limit.
    Bbr,
}

impl Control {
    /// By the name that the kernel tells of a socket; without one, that of new connections.
    pub(super) fn of(evidence: &Evidence, context: &Context) -> Option<Self> {
        let set = context.settings.text("tcp_congestion_control").unwrap_or_default();
        let name = evidence.congestion.as_ref().map_or(set.trim().as_bytes(), |it| it.as_bytes());
        match name {
            b"reno" => Some(Self::Reno),
            b"cubic" => Some(Self::Cubic),
            b"bbr" => Some(Self::Bbr),
            _ => None,
        }
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Reno => "reno",
            Self::Cubic => "cubic",
            Self::Bbr => "bbr",
        }
    }

    /// Bytes per second that it carries in segments of `mss` bytes over a round trip of `rtt_us`
    /// where each segment begins a loss with the probability `loss`; `None` where loss is no limit.
    ///
    /// Reno: the window is on average the square root of 3/2 by the loss (Mathis et al., 1997).
    /// Cubic: RFC 9438 section 5.1 with C 0.4 and beta 0.7, and what Reno gets if that is more.
    pub(super) fn carries(self, mss: f64, rtt_us: f64, loss: f64) -> Option<f64> {
        if loss <= 0.0 || rtt_us <= 0.0 || mss <= 0.0 {
            return None;
        }
        let rtt = rtt_us / 1e6;
        let reno = (1.5 / loss).sqrt();
        let window = match self {
            Self::Reno => reno,
            Self::Cubic => (1.054 * (rtt / loss).powf(0.75)).max(reno),
            Self::Bbr if loss < BBR_LOSS => return None,
            Self::Bbr => reno,
        };
        Some(window.max(1.0) * mss / rtt)
    }
}

/// Losses by the recoveries that they began, on the whole host: several segments that are lost
/// together count once for a congestion control.
pub(super) fn losses_per_recovery(context: &Context) -> f64 {
    let growth = |name: &str| context.host.growth(name);
    let recoveries = growth("TcpExtTCPSackRecovery")
        .zip(growth("TcpExtTCPRenoRecovery"))
        .map_or(0, |(sack, reno)| sack + reno);
    match context.host.fast_and_probes() {
        Some([fast, _]) if recoveries > 0 => (fast as f64 / recoveries as f64).max(1.0),
        _ => 1.0,
    }
}

/// Whether a connection had more to send, and nothing but its congestion window held it back, on a
/// path without a queue of its own. The rate is that of the time with data to send.
pub(super) fn is_held_by_window(evidence: &Evidence) -> bool {
    let full = evidence.share_of_polls(Sign::CwndFull);
    let wants = full.max(evidence.share_of_polls(Sign::Unsent));
    let paced =
        evidence.max_pacing_rate.is_some_and(|most| evidence.busy_rate() >= 0.8 * most as f64);
    evidence.polls >= 3
        && wants >= 0.5
        && evidence.share_of_polls(Sign::AppLimited) < 0.5
        && !is_limited_elsewhere(evidence)
        && !paced
        && !meets_a_queue(evidence)
        && !finds_its_rate(evidence)
}

/// Whether the peer's window or the send buffer holds a connection back, so that its congestion window
/// does not matter.
pub(super) fn is_limited_elsewhere(evidence: &Evidence) -> bool {
    let share = |limited| evidence.share_of_busy(limited).unwrap_or(0.0);
    share(evidence.rwnd_limited_us) >= OTHER_LIMIT
        || share(evidence.sndbuf_limited_us) >= OTHER_LIMIT
}

/// Whether round trips are longer than the path needs, so that a queue may have dropped what was lost.
pub(super) fn meets_a_queue(evidence: &Evidence) -> bool {
    let means = evidence.mean_rtt_us.zip(evidence.min_rtt_us);
    let longer = means.is_some_and(|(mean, least)| {
        let (mean, least) = (mean as f64, least as f64);
        mean >= LONGER * least && mean >= least + LONGER_US
    });
    longer || evidence.share_of_polls(Sign::Queued) >= OTHER_LIMIT
}

/// Whether every loss came at the same window: so it is where a connection fills its path alone, and
/// finds the rate that it can have.
pub(super) fn finds_its_rate(evidence: &Evidence) -> bool {
    evidence
        .thresholds
        .is_some_and(|[least, largest]| least >= 4 && largest as f64 <= STEADY * least as f64)
}

/// Whether a rate is what a model says.
pub(super) fn agrees(rate: f64, carries: f64) -> bool {
    let [least, most] = AGREES;
    rate >= least * carries && rate <= most * carries
}

/// Connections that their congestion windows held back, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Their number.
    pub connections: u64,
    /// Segments with data that they sent.
    pub data_segs_out: u64,
    /// Segments that they lost and repaired before a timeout.
    pub repaired: u64,
    /// Bytes that were acknowledged.
    pub bytes_acked: u64,
    /// Microseconds with data to send.
    pub busy_us: u64,
    /// The sum of their mean round trips.
    pub rtt_us: u64,
    /// The sum of their segments' sizes.
    pub mss: u64,
    /// How many of them use cubic, and how many bbr.
    pub with: [u64; 2],
}

impl Held {
    pub(super) fn add_connection(&mut self, evidence: &Evidence) {
        let (Some(rtt), Some(busy)) = (evidence.mean_rtt_us, evidence.busy_us) else { return };
        if !is_held_by_window(evidence) {
            return;
        }
        let uses = |name: &[u8]| {
            u64::from(evidence.congestion.as_ref().is_some_and(|it| it.as_bytes() == name))
        };
        self.add(&Self {
            connections: 1,
            data_segs_out: evidence.data_segs_out,
            repaired: evidence.repaired(),
            bytes_acked: evidence.bytes_acked,
            busy_us: busy,
            rtt_us: rtt,
            mss: evidence.mss,
            with: [uses(b"cubic"), uses(b"bbr")],
        });
    }

    /// The congestion control of most of them.
    pub(super) fn control(&self) -> Control {
        let [cubic, bbr] = self.with;
        match () {
            () if cubic * 2 > self.connections => Control::Cubic,
            () if bbr * 2 > self.connections => Control::Bbr,
            () => Control::Reno,
        }
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.connections += other.connections;
        self.data_segs_out += other.data_segs_out;
        self.repaired += other.repaired;
        self.bytes_acked += other.bytes_acked;
        self.busy_us += other.busy_us;
        self.rtt_us += other.rtt_us;
        self.mss += other.mss;
        self.with[0] += other.with[0];
        self.with[1] += other.with[1];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, healthy, host};

    /// The table of RFC 9438 section 5.1: windows at a round trip of 100 ms, and of Reno.
    #[test]
    fn windows_are_those_of_the_rfc() {
        let window = |control: Control, rtt_us: f64, loss: f64| {
            control.carries(1000.0, rtt_us, loss).unwrap() * rtt_us / 1e9
        };
        for (loss, reno, cubic) in [(1e-2, 12.0, 12.0), (1e-3, 38.7, 38.7), (1e-5, 387.3, 1053.7)] {
            assert!((window(Control::Reno, 1e5, loss) / reno - 1.0).abs() < 0.03, "{loss}");
            assert!((window(Control::Cubic, 1e5, loss) / cubic - 1.0).abs() < 0.03, "{loss}");
        }
        assert_eq!(Control::Bbr.carries(1448.0, 4e4, 0.05), None, "no limit");
        assert!(Control::Bbr.carries(1448.0, 4e4, 0.2).is_some());
        assert_eq!(Control::Reno.carries(1448.0, 4e4, 0.0), None, "nothing is lost");
    }

    /// The bandwidth of Reno with timeouts by its model without: equation 30 of PFTK (1998), with an
    /// acknowledgement counted for each segment.
    fn with_timeouts(rtt: f64, timer: f64, loss: f64) -> f64 {
        let plain = rtt * (2.0 * loss / 3.0).sqrt();
        let waits = (3.0 * (3.0 * loss / 8.0).sqrt()).min(1.0) * loss * (1.0 + 32.0 * loss.powi(2));
        plain / (plain + timer * waits)
    }

    #[test]
    fn rates_that_agree() {
        assert!(agrees(0.35, 1.0) && agrees(1.7, 1.0));
        assert!(!agrees(0.34, 1.0) && !agrees(1.71, 1.0));
        let far = with_timeouts(0.02, 0.22, 0.03);
        assert!((far - 0.56).abs() < 0.01, "{far}");
        assert!(agrees(far * 0.65, 1.0), "with timeouts and bad luck");
        // Beyond, it is the timeouts that limit the rate (TD112).
        assert!(!agrees(with_timeouts(0.02, 0.22, 0.1), 1.0));
    }

    /// One look at a connection whose segments are lost at random: what it sent by what the model
    /// says at the loss that was seen, and the number of losses.
    struct Look {
        random: u64,
        control: Control,
        window: f64,
        largest: f64,
        threshold: f64,
        grown: f64,
        since: f64,
        sent: u64,
        lost: u64,
        recoveries: u64,
    }

    impl Look {
        const TIME: f64 = 5.0;

        fn chance(&mut self) -> f64 {
            // Marsaglia's xorshift.
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            (self.random >> 11) as f64 / (1_u64 << 53) as f64
        }

        /// One round trip; whether something was lost.
        fn round_trip(&mut self, rtt: f64, loss: f64) -> bool {
            let segments = (self.window + self.chance()) as u64;
            let lost = (0..segments).filter(|_| self.chance() < loss).count() as u64;
            self.sent += segments;
            self.lost += lost;
            self.since += rtt;
            let [beta, added] = match self.control {
                // The growth of the window for fairness to Reno (RFC 9438 4.3).
                Control::Cubic => [0.7, 3.0 * 0.3 / 1.7],
                _ => [0.5, 1.0],
            };
            if lost > 0 {
                self.recoveries += 1;
                // Fast convergence (RFC 9438 4.7).
                let is_less = self.window < self.largest;
                self.largest = if is_less { self.window * (1.0 + beta) / 2.0 } else { self.window };
                self.window = (self.window * beta).max(2.0);
                (self.threshold, self.grown, self.since) = (self.window, self.window, -rtt);
            } else if self.window < self.threshold {
                self.window = (self.window * 2.0).min(self.threshold);
            } else {
                let is_past = self.grown >= self.largest && self.control == Control::Cubic;
                self.grown += if is_past { 1.0 } else { added };
                let start = ((self.largest - self.threshold).max(0.0) / 0.4).cbrt();
                let cubic = 0.4 * (self.since - start).powi(3) + self.largest;
                let cubic = if self.control == Control::Cubic { cubic } else { 0.0 };
                self.window = cubic.min(1.5 * self.window).max(self.grown).max(self.window);
            }
            lost > 0
        }

        /// The first window is `start`, or that of slow start.
        fn of(
            control: Control,
            [rtt, loss]: [f64; 2],
            start: Option<f64>,
            random: u64,
        ) -> (f64, u64) {
            let mut look = Self {
                random,
                control,
                window: start.unwrap_or(10.0),
                largest: 0.0,
                threshold: start.unwrap_or(f64::INFINITY),
                grown: 0.0,
                since: 0.0,
                sent: 0,
                lost: 0,
                recoveries: 0,
            };
            let warm_up = if start.is_some() { 10.0 } else { 2.5 };
            for until in [warm_up, Self::TIME] {
                (look.sent, look.lost, look.recoveries) = (0, 0, 0);
                let mut at = 0.0;
                while at < until {
                    look.round_trip(rtt, loss);
                    at += rtt;
                }
            }
            let events = look.recoveries as f64 / look.sent as f64;
            let carries = control.carries(1.0, rtt * 1e6, events).unwrap_or(f64::INFINITY);
            (look.sent as f64 / Self::TIME / carries, look.lost)
        }
    }

    #[test]
    fn models_and_their_limits() {
        const LOSSES: u64 = 5;
        for control in [Control::Reno, Control::Cubic] {
            for rtt in [0.02, 0.05, 0.1, 0.2] {
                for loss in [0.0003, 0.001, 0.003, 0.01, 0.03] {
                    let start = control.carries(1.0, rtt * 1e6, loss).map(|rate| rate * rtt);
                    let looks = (1..=150_u64).map(|number| {
                        Look::of(
                            control,
                            [rtt, loss],
                            start,
                            number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
                        )
                    });
                    let looks: Vec<f64> =
                        looks.filter(|(_, lost)| *lost >= LOSSES).map(|(part, _)| part).collect();
                    let agree = looks.iter().filter(|part| agrees(**part, 1.0)).count();
                    let enough = looks.len() >= 50;
                    let share = agree as f64 / looks.len().max(1) as f64;
                    assert!(!enough || share >= 0.95, "{control:?} {rtt} s {loss}: {share}");
                }
            }
            // What slow start has left far above the model is not held back by loss.
            let fresh = (1..=600_u64).map(|number| {
                let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                Look::of(control, [0.2, 0.0003], None, random)
            });
            let fresh: Vec<f64> =
                fresh.filter(|(_, lost)| *lost >= LOSSES).map(|(part, _)| part).collect();
            let agree = fresh.iter().filter(|part| agrees(**part, 1.0)).count();
            let share = agree as f64 / fresh.len() as f64;
            assert!(fresh.len() >= 20 && share <= 0.05, "{control:?}: {agree} of {}", fresh.len());
        }
    }

    #[test]
    fn bursts_count_once() {
        let mut context = context();
        assert!((losses_per_recovery(&context) - 1.0).abs() < 1e-9, "not known");
        context.host = host(&[
            ("TcpExtTCPFastRetrans", 80),
            ("TcpExtTCPSlowStartRetrans", 0),
            ("TcpExtTCPLossProbes", 3),
            ("TcpExtTCPSackRecovery", 10),
            ("TcpExtTCPRenoRecovery", 0),
        ]);
        assert!((losses_per_recovery(&context) - 8.0).abs() < 1e-9);
    }

    #[test]
    fn other_limits_are_not_the_window() {
        let held = healthy().shows(Sign::CwndFull, 9);
        assert!(is_held_by_window(&held));
        let us = Some(8_000_000);
        for other in [
            healthy(),
            held.shows(Sign::AppLimited, 8),
            held.shows(Sign::Queued, 5),
            Evidence { rwnd_limited_us: us, ..held },
            Evidence { sndbuf_limited_us: us, ..held },
            Evidence { max_pacing_rate: Some(1_100_000), ..held },
            Evidence { thresholds: Some([20, 24]), ..held },
            Evidence { mean_rtt_us: Some(47_000), min_rtt_us: Some(40_000), ..held },
            Evidence { polls: 2, ..held },
        ] {
            assert!(!is_held_by_window(&other), "{other:?}");
        }
        assert!(is_held_by_window(&Evidence { thresholds: Some([8, 24]), ..held }));
    }
}
