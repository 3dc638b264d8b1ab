//! The kinds of the retransmitted segments, from the counters.
//!
//! A retransmit is fast, in slow start, the first one after a timeout, a repeated SYN or SYN-ACK, or a
//! loss probe. Fast ones, those in slow start and SYNs have counters. A timeout is at most one
//! retransmit (none against a closed window, and SYNs time out too), and a loss probe may be new data,
//! so these two kinds are only bounded.

use serde::Serialize;

use super::verdict::Amount;

/// A number that is only known within bounds: `low <= value <= high`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// The most likely number.
    pub value: u64,
    /// At least this.
    pub low: u64,
    /// At most this.
    pub high: u64,
}

impl Estimate {
    const fn exactly(value: u64) -> Self {
        Self { value, low: value, high: value }
    }
}

/// Retransmitted segments by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Retransmits {
    /// All of them.
    pub total: u64,
    /// In fast recovery.
    pub fast: Estimate,
    /// After a timeout, in slow start.
    pub slow_start: Estimate,
    /// The first segment after a timeout.
    pub rto: Estimate,
    /// Tail loss probes that repeated data.
    pub probe: Estimate,
    /// SYNs and SYN-ACKs.
    pub syn: Estimate,
}

impl Retransmits {
    /// From the growth of the counters. `None` if the kernel lacks one, or one went backwards.
    ///
    /// The counters are not read at one instant, so the kinds may add up to more than the total. The
    /// excess is subtracted from the last kinds.
    pub fn of(amount: impl Fn(&str) -> Amount) -> Option<Self> {
        let events = |name| match amount(name) {
            Amount::Events(events) => Some(events),
            Amount::Absent | Amount::Broken | Amount::Wrapped | Amount::Unread => None,
        };
        let total = events("TcpRetransSegs")?;
        let mut left = total;
        let mut take = |count: u64| {
            let taken = count.min(left);
            left -= taken;
            Estimate::exactly(taken)
        };
        let fast = take(events("TcpExtTCPFastRetrans")?);
        let slow_start = take(events("TcpExtTCPSlowStartRetrans")?);
        let syn = take(events("TcpExtTCPSynRetrans")?);
        let timeouts = events("TcpExtTCPTimeouts")?;
        let probes = events("TcpExtTCPLossProbes")?;
        // Timeouts include those of SYNs and SYN-ACKs.
        let rto = bounded(timeouts.saturating_sub(syn.value), timeouts, probes, left);
        let probe = bounded(left - rto.value, probes, timeouts, left);
        Some(Self { total, fast, slow_start, rto, probe, syn })
    }
}

/// A part of `whole` that is at most `most`, beside another part that is at most `other`.
fn bounded(guess: u64, most: u64, other: u64, whole: u64) -> Estimate {
    let high = most.min(whole);
    let low = whole.saturating_sub(other).min(high);
    Estimate { value: guess.clamp(low, high), low, high }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: [u64; 6]) -> Retransmits {
        let names = [
            "TcpRetransSegs",
            "TcpExtTCPFastRetrans",
            "TcpExtTCPSlowStartRetrans",
            "TcpExtTCPSynRetrans",
            "TcpExtTCPTimeouts",
            "TcpExtTCPLossProbes",
        ];
        Retransmits::of(|wanted| {
            let found = names.iter().zip(numbers).find(|(name, _)| **name == wanted);
            found.map_or(Amount::Absent, |(_, number)| Amount::Events(number))
        })
        .unwrap()
    }

    /// Measured on lossy links: 33 timeouts and 7 probes were retransmits.
    #[test]
    fn a_measured_mix() {
        let kinds = of([644, 601, 3, 0, 33, 50]);
        assert_eq!(kinds.rto, Estimate { value: 33, low: 0, high: 33 });
        assert_eq!(kinds.probe, Estimate { value: 7, low: 7, high: 40 });
        let bbr = of([465, 443, 4, 0, 10, 20]);
        assert_eq!((bbr.rto.value, bbr.probe.value), (10, 8));
    }

    #[test]
    fn unanswered_syns() {
        let kinds = of([4, 0, 0, 4, 5, 0]);
        assert_eq!((kinds.syn.value, kinds.rto.value, kinds.probe.value), (4, 0, 0));
    }

    #[test]
    fn kinds_always_fit_the_total() {
        let numbers = [0, 1, 5, 1000];
        let mut seen = 0;
        for total in numbers {
            for fast in numbers {
                for syn in numbers {
                    for timeouts in numbers {
                        for probes in numbers {
                            let k = of([total, fast, 1, syn, timeouts, probes]);
                            let parts = [k.fast, k.slow_start, k.syn, k.rto, k.probe];
                            assert!(parts.iter().all(|p| p.low <= p.value && p.value <= p.high));
                            assert!(parts.iter().map(|p| p.value).sum::<u64>() <= total, "{k:?}");
                            seen += 1;
                        }
                    }
                }
            }
        }
        assert_eq!(seen, 1024);
    }

    #[test]
    fn a_kernel_without_the_counters() {
        assert_eq!(Retransmits::of(|_| Amount::Absent), None);
        assert_eq!(Retransmits::of(|_| Amount::Broken), None);
    }
}
