//! What the host's counters imply for the columns.

use super::super::interval::Interval;
use super::{COLUMNS, Columns, FAILED, FAST, PROBE, RTO, SLOW, SYN};

/// The columns' totals. Each lies within its bounds, and so does the sum of `rto` and `probe`: the
/// kernel counts fast, slow-start and SYN retransmits, so timeouts and probes are the rest of
/// `RetransSegs` (`__tcp_retransmit_skb()` counts all of them).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Host {
    /// All retransmits.
    pub(super) total: u64,
    pub(super) target: Columns<u64>,
    pub(super) low: Columns<u64>,
    pub(super) high: Columns<u64>,
    /// Bounds of the sum of `rto` and `probe`.
    pub(super) joint: (u64, u64),
    /// Timeouts that may have sent nothing: the segment was still in a queueing discipline.
    pub(super) silent_timeouts: u64,
    /// What is carried over from the interval before, by column.
    pub(super) carried_over: Columns<u64>,
    /// How much of the total may belong to the neighbouring intervals.
    pub(super) skew: u64,
    /// Whether a fast open may have fallen back and repeated its data in state Loss.
    pub(super) fast_open: bool,
}

impl Host {
    /// From the growth of the counters. `None` if the host does not count retransmits.
    pub(super) fn of(interval: &Interval<'_>) -> Option<Self> {
        let retransmits = interval.growth("TcpRetransSegs")?;
        let total = retransmits.delta;
        let counted = |name: &str| interval.growth(name);
        let mut host = Self {
            total,
            target: Columns::default(),
            low: Columns::default(),
            high: Columns([total; COLUMNS]),
            joint: (0, total),
            silent_timeouts: interval.delta("TcpExtTCPSpuriousRtxHostQueues"),
            carried_over: interval.carried_over.columns(),
            skew: retransmits.skew,
            fast_open: interval.delta("TcpExtTCPFastOpenActive")
                + interval.delta("TcpExtTCPFastOpenActiveFail")
                > 0,
        };
        let columns = [
            (FAST, "TcpExtTCPFastRetrans"),
            (SLOW, "TcpExtTCPSlowStartRetrans"),
            (SYN, "TcpExtTCPSynRetrans"),
            // Counted in RetransSegs before the attempt (4.19 and later), and in no kind after it.
            (FAILED, "TcpExtTCPRetransFail"),
        ];
        let mut known = (0, 0);
        for (column, name) in columns {
            let Some(grown) = counted(name) else {
                // A kernel that does not count failed ones counts only those that were sent (3.10 to
                // 4.4). All else may be anything up to the total.
                if column == FAILED && !interval.is_unknown(name) {
                    host.high.set(column, 0);
                } else {
                    known.1 += total;
                }
                continue;
            };
            host.target.set(column, grown.delta.min(total));
            host.low.set(column, grown.delta.saturating_sub(grown.skew));
            host.high.set(column, grown.delta + grown.skew);
            known = (known.0 + host.low.at(column), known.1 + host.high.at(column));
        }
        // Timeouts and probes are the rest, each limited by the kernel's count of them.
        host.joint = (
            (total.saturating_sub(retransmits.skew)).saturating_sub(known.1),
            (total + retransmits.skew).saturating_sub(known.0),
        );
        let most = |name: &str| {
            counted(name).map_or(host.joint.1, |grown| (grown.delta + grown.skew).min(host.joint.1))
        };
        let (timeouts, probes) = (most("TcpExtTCPTimeouts"), most("TcpExtTCPLossProbes"));
        host.high.set(PROBE, probes);
        // A timeout against a closed window is not counted as a timeout.
        host.high.set(RTO, host.joint.1);
        host.low.set(RTO, host.joint.0.saturating_sub(probes));
        let left = total.saturating_sub(host.target.sum());
        let syn = host.target.at(SYN);
        let rto = timeouts.saturating_sub(syn).clamp(left.saturating_sub(probes), left);
        host.target.set(RTO, rto);
        host.target.set(PROBE, left - rto);
        Some(host)
    }

    /// Widens the bounds by this many retransmits, which may belong to the neighbouring intervals.
    pub(super) fn widen(&mut self, by: u64) {
        // Failed retransmits are rare, and counted at once.
        for column in [FAST, SLOW, RTO, PROBE, SYN] {
            self.low.set(column, self.low.at(column).saturating_sub(by));
            self.high.set(column, self.high.at(column) + by);
        }
        self.joint = (self.joint.0.saturating_sub(by), self.joint.1 + by);
    }
}
