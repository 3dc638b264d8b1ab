//! The value of a ratio, and whether it is healthy.

use serde::{Deserialize, Serialize};

use super::ratio::Ratio;
use super::significance::is_above;

/// Whether a ratio is healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Too little happened, or this kernel does not count it.
    NoData,
    /// Healthy, or only for information.
    Ok,
    /// Unusual.
    Warn,
    /// Bad.
    Critical,
}

impl Verdict {
    /// The name used in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoData => "no_data",
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Critical => "critical",
        }
    }
}

/// The limits of a healthy ratio. Without limits the verdict is always `Ok`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// Above this the verdict is [`Verdict::Warn`].
    #[serde(default)]
    pub warn: Option<f64>,
    /// Above this the verdict is [`Verdict::Critical`].
    #[serde(default)]
    pub critical: Option<f64>,
}

impl Threshold {
    /// These limits, and those of `other` where there is none.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { warn: self.warn.or(other.warn), critical: self.critical.or(other.critical) }
    }

    /// The reason why the limits are not valid, if they are not.
    pub fn fault(self) -> Option<&'static str> {
        let bad =
            |limit: Option<f64>| limit.is_some_and(|limit| !(limit.is_finite() && limit >= 0.0));
        if bad(self.warn) || bad(self.critical) {
            return Some("a threshold is a share of 0 or more, such as 0.01 for 1 %");
        }
        match (self.warn, self.critical) {
            (Some(warn), Some(critical)) if warn > critical => {
                Some("warn must not be above critical")
            }
            _ => None,
        }
    }

    /// The verdict on a share: `is_above` tells whether it is above a limit.
    pub fn verdict(self, is_above: impl Fn(f64) -> bool) -> Verdict {
        match (self.warn.is_some_and(&is_above), self.critical.is_some_and(&is_above)) {
            (_, true) => Verdict::Critical,
            (true, false) => Verdict::Warn,
            (false, false) => Verdict::Ok,
        }
    }
}

/// The events of one counter over an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Their number.
    Events(u64),
    /// This kernel does not count them.
    Absent,
    /// Not known, since the counter fell.
    Broken,
    /// Not known, since the counter may have wrapped.
    Wrapped,
    /// Not known, since it could not be read.
    Unread,
}

/// Why there is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoData {
    /// The kernel has none of the counters.
    NotCounted,
    /// One of the counters went backwards.
    WentBack,
    /// One of the counters may have wrapped since the host was started.
    Wrapped,
    /// One of the counters could not be read.
    Unread,
    /// Fewer than the ratio's smallest denominator, or too few among the segments sent.
    TooLittle,
}

/// A ratio with its verdict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgement {
    /// Events of the numerator, if known.
    pub numerator: Option<u64>,
    /// Events of the denominator, if known.
    pub denominator: Option<u64>,
    /// Numerator divided by denominator, if the denominator is large enough.
    pub value: Option<f64>,
    /// The verdict.
    pub verdict: Verdict,
    /// The thresholds of the verdict.
    pub threshold: Threshold,
    /// The reason for no verdict.
    pub no_data: Option<NoData>,
}

impl Ratio {
    /// Computes the ratio from the `amount` of each counter. `rare`: the share of the segments sent
    /// below which events are no trouble, for ratios of rare events.
    pub fn judge(
        &self,
        threshold: Threshold,
        rare: f64,
        amount: impl Fn(&str) -> Amount,
    ) -> Judgement {
        let numerator = sum(&self.numerator, &amount);
        // The events alone are not what to take a share of.
        let mut others = self.denominator.iter().filter(|name| !self.numerator.contains(name));
        let has_whole = others.any(|name| amount(name) != Amount::Absent);
        let denominator = if has_whole { sum(&self.denominator, &amount) } else { Amount::Absent };
        let none = |no_data| Judgement {
            numerator: events(numerator),
            denominator: events(denominator),
            value: None,
            verdict: Verdict::NoData,
            threshold,
            no_data: Some(no_data),
        };
        match (numerator, denominator) {
            (Amount::Unread, _) | (_, Amount::Unread) => none(NoData::Unread),
            (Amount::Absent, _) | (_, Amount::Absent) => none(NoData::NotCounted),
            (Amount::Broken, _) | (_, Amount::Broken) => none(NoData::WentBack),
            (Amount::Wrapped, _) | (_, Amount::Wrapped) => none(NoData::Wrapped),
            (Amount::Events(part), Amount::Events(whole)) => {
                let value = part as f64 / whole.max(1) as f64;
                let is_small = whole < self.least.max(1);
                let are_enough = self.least_events.is_none_or(|least| part >= least);
                // Few events are judged where they are beyond chance.
                let is_beyond_chance = |limit| {
                    self.least_events.is_some() && are_enough && is_above(part, whole, limit)
                };
                // One event among few thousand says nothing, unless there must not be any.
                let is_large = |limit| value > limit && (are_enough || limit <= 0.0);
                let verdict = match is_small {
                    true => threshold.verdict(is_beyond_chance),
                    false => threshold.verdict(is_large),
                };
                if is_small && verdict == Verdict::Ok || self.is_rare(part, rare, &amount) {
                    return none(NoData::TooLittle);
                }
                Judgement {
                    numerator: Some(part),
                    denominator: Some(whole),
                    value: Some(value),
                    verdict,
                    threshold,
                    no_data: None,
                }
            }
        }
    }
}

impl Ratio {
    /// Whether so few events are no trouble, whatever their share of other rare events.
    fn is_rare(&self, events: u64, rare: f64, amount: impl Fn(&str) -> Amount) -> bool {
        match (self.of_rare, amount("TcpOutSegs")) {
            (true, Amount::Events(sent)) => (events as f64) < rare * sent as f64,
            _ => false,
        }
    }
}

/// The sum over the counters that the kernel has.
fn sum(names: &[String], amount: impl Fn(&str) -> Amount) -> Amount {
    names.iter().map(|name| amount(name)).fold(Amount::Absent, |sum, next| match (sum, next) {
        (Amount::Unread, _) | (_, Amount::Unread) => Amount::Unread,
        (Amount::Broken, _) | (_, Amount::Broken) => Amount::Broken,
        (Amount::Wrapped, _) | (_, Amount::Wrapped) => Amount::Wrapped,
        (Amount::Absent, other) | (other, Amount::Absent) => other,
        (Amount::Events(sum), Amount::Events(next)) => Amount::Events(sum.saturating_add(next)),
    })
}

fn events(amount: Amount) -> Option<u64> {
    match amount {
        Amount::Events(events) => Some(events),
        Amount::Absent | Amount::Broken | Amount::Wrapped | Amount::Unread => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(id: &str, counters: &[(&str, Amount)]) -> Judgement {
        let ratio = Ratio::named(id).unwrap();
        ratio.judge(ratio.threshold(), Ratio::RARE, |name| {
            counters.iter().find(|(known, _)| *known == name).map_or(Amount::Absent, |(_, n)| *n)
        })
    }

    #[test]
    fn verdicts_of_retransmission() {
        use Amount::{Absent, Broken, Events, Unread};
        for (retransmitted, sent, verdict, no_data) in [
            (Events(0), Events(1000), Verdict::Ok, None),
            (Events(10), Events(1000), Verdict::Ok, None),
            (Events(11), Events(1000), Verdict::Warn, None),
            (Events(53), Events(1000), Verdict::Critical, None),
            (Events(2000), Events(1000), Verdict::Critical, None),
            (Events(0), Events(999), Verdict::NoData, Some(NoData::TooLittle)),
            (Events(4), Events(4), Verdict::NoData, Some(NoData::TooLittle)),
            (Events(5), Events(400), Verdict::NoData, Some(NoData::TooLittle)),
            (Events(11), Events(400), Verdict::Warn, None),
            (Events(999), Events(999), Verdict::Critical, None),
            (Events(0), Events(0), Verdict::NoData, Some(NoData::TooLittle)),
            (Absent, Events(1000), Verdict::NoData, Some(NoData::NotCounted)),
            (Events(1), Absent, Verdict::NoData, Some(NoData::NotCounted)),
            (Events(1), Broken, Verdict::NoData, Some(NoData::WentBack)),
            (Unread, Events(1000), Verdict::NoData, Some(NoData::Unread)),
            (Events(1), Unread, Verdict::NoData, Some(NoData::Unread)),
            (Events(u64::MAX), Events(u64::MAX), Verdict::Critical, None),
        ] {
            let counters = [("TcpRetransSegs", retransmitted), ("TcpOutSegs", sent)];
            let judged = judge("retransmission", &counters);
            assert_eq!((judged.verdict, judged.no_data), (verdict, no_data), "{counters:?}");
            assert_eq!(judged.value.is_some(), no_data.is_none());
        }
    }

    #[test]
    fn sums_leave_out_absent_counters() {
        let judged = judge(
            "reordering",
            &[("TcpExtTCPSACKReorder", Amount::Events(7)), ("TcpOutSegs", Amount::Events(100_000))],
        );
        assert_eq!((judged.numerator, judged.denominator), (Some(7), Some(100_000)));
        assert_eq!(judged.verdict, Verdict::Ok);
        let broken = judge(
            "reordering",
            &[("TcpExtTCPSACKReorder", Amount::Events(7)), ("TcpExtTCPTSReorder", Amount::Broken)],
        );
        assert_eq!(broken.numerator, None);
        // A sum with an unknown part is not known.
        let unread = judge(
            "reordering",
            &[
                ("TcpExtTCPSACKReorder", Amount::Events(7)),
                ("TcpExtTCPTSReorder", Amount::Unread),
                ("TcpOutSegs", Amount::Events(100_000)),
            ],
        );
        assert_eq!((unread.numerator, unread.no_data), (None, Some(NoData::Unread)));
    }

    #[test]
    fn small_samples_are_judged_where_they_are_beyond_chance() {
        use Amount::Events;
        for (id, part, whole, verdict) in [
            ("listen_drops", ("TcpExtListenDrops", 4), ("TcpPassiveOpens", 12), Verdict::Critical),
            ("out_of_order", ("TcpExtTCPOFOQueue", 5_023), ("TcpInSegs", 6_941), Verdict::Critical),
            ("established_resets", ("TcpEstabResets", 9), ("TcpPassiveOpens", 10), Verdict::Warn),
            ("failed_attempts", ("TcpAttemptFails", 61), ("TcpActiveOpens", 61), Verdict::Critical),
            ("failed_attempts", ("TcpAttemptFails", 1), ("TcpActiveOpens", 1), Verdict::NoData),
            // What a few retransmits consist of is no trouble by itself.
            ("timeout_share", ("TcpExtTCPTimeouts", 9), ("TcpRetransSegs", 9), Verdict::NoData),
        ] {
            let counters = [part, whole].map(|(name, count)| (name, Events(count)));
            assert_eq!(judge(id, &counters).verdict, verdict, "{id}");
        }
    }

    /// The kernel counts what was sent again beside what was sent (__tcp_transmit_skb()).
    #[test]
    fn what_is_sent_again_is_part_of_what_is_sent() {
        use Amount::Events;
        let counters = [("TcpRetransSegs", Events(2000)), ("TcpOutSegs", Events(1000))];
        let judged = judge("retransmission", &counters);
        assert_eq!((judged.denominator, judged.verdict), (Some(3000), Verdict::Critical));
        // Health checks that reset the handshake open no connection.
        let counters =
            [("TcpAttemptFails", 40), ("TcpPassiveOpens", 10), ("TcpExtEmbryonicRsts", 40)];
        let judged = judge("failed_attempts", &counters.map(|(name, count)| (name, Events(count))));
        assert_eq!(judged.value, Some(0.8));
    }

    /// A healthy database on loopback: all of its few retransmits were needless probes.
    #[test]
    fn what_few_retransmits_consist_of_is_no_trouble() {
        use Amount::Events;
        for (sent, verdict) in [(494_896, Verdict::NoData), (5_000, Verdict::Critical)] {
            let counters =
                [("TcpExtTCPDSACKRecvSegs", 53), ("TcpRetransSegs", 53), ("TcpOutSegs", sent)];
            let counters = counters.map(|(name, count)| (name, Events(count)));
            assert_eq!(judge("spurious_retransmits", &counters).verdict, verdict, "{sent}");
        }
    }

    #[test]
    fn one_event_is_no_share() {
        use Amount::Events;
        for (pruned, verdict) in [(1, Verdict::Ok), (4, Verdict::Warn)] {
            let counters = [("TcpExtPruneCalled", pruned), ("TcpInSegs", 7_838)];
            let judged = judge("pruning", &counters.map(|(name, count)| (name, Events(count))));
            assert_eq!(judged.verdict, verdict, "{pruned}");
        }
    }

    /// An upload at 9 Gbit/s closed its window 850 times, for microseconds.
    #[test]
    fn closed_windows_are_not_judged_by_their_number() {
        let counters = [("TcpExtTCPToZeroWindowAdv", 850), ("TcpInSegs", 85_000)];
        let counters = counters.map(|(name, count)| (name, Amount::Events(count)));
        let judged = judge("own_zero_window", &counters);
        assert_eq!((judged.value, judged.verdict), (Some(0.01), Verdict::Ok));
    }

    #[test]
    fn a_threshold_of_0_means_any() {
        let any = |drops| {
            let counters = [
                ("TcpExtListenDrops", Amount::Events(drops)),
                ("TcpPassiveOpens", Amount::Events(1_000_000)),
            ];
            judge("listen_drops", &counters).verdict
        };
        assert_eq!(any(0), Verdict::Ok);
        assert_eq!(any(1), Verdict::Warn);
    }

    #[test]
    fn without_thresholds_the_verdict_is_ok() {
        let counters = [
            ("TcpExtSyncookiesFailed", Amount::Events(900)),
            ("TcpExtSyncookiesRecv", Amount::Events(100)),
        ];
        assert_eq!(judge("syn_cookies_failed", &counters).verdict, Verdict::Ok);
    }

    #[test]
    fn faults_of_thresholds() {
        let of = |warn, critical| Threshold { warn, critical }.fault();
        assert_eq!(of(None, None), None);
        assert_eq!(of(Some(0.0), Some(0.0)), None);
        assert!(of(Some(0.2), Some(0.1)).is_some());
        assert!(of(Some(-0.1), None).is_some());
        assert!(of(None, Some(f64::NAN)).is_some());
        assert!(of(Some(f64::INFINITY), None).is_some());
    }
}
