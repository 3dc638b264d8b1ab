//! What a ratio comes to, and whether that is healthy.

use serde::{Deserialize, Serialize};

use super::ratio::Ratio;

/// Whether a ratio is healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Too little happened, or this kernel does not count it.
    NoData,
    /// Healthy, or only for information.
    Ok,
    /// Worth a look.
    Warn,
    /// Trouble.
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

/// From where on a ratio is unhealthy. Without either it only informs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// Above this it is worth a look.
    #[serde(default)]
    pub warn: Option<f64>,
    /// Above this it is trouble.
    #[serde(default)]
    pub critical: Option<f64>,
}

impl Threshold {
    /// These, and where they are silent those of `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { warn: self.warn.or(other.warn), critical: self.critical.or(other.critical) }
    }

    /// What is wrong with the numbers.
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

    fn verdict(self, value: f64) -> Verdict {
        let above = |limit: Option<f64>| limit.is_some_and(|limit| value > limit);
        match (above(self.warn), above(self.critical)) {
            (_, true) => Verdict::Critical,
            (true, false) => Verdict::Warn,
            (false, false) => Verdict::Ok,
        }
    }
}

/// What is known of one counter's events over the time that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// This many.
    Events(u64),
    /// This kernel does not count them.
    Absent,
    /// The counter fell, so that nothing can be said.
    Broken,
}

/// Why there is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoData {
    /// The kernel has none of the counters.
    NotCounted,
    /// One of the counters went backwards.
    WentBack,
    /// Fewer than the ratio's least.
    TooLittle,
}

/// A ratio worked out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judgement {
    /// Events of the numerator, where they are known.
    pub numerator: Option<u64>,
    /// Events of the denominator, where they are known.
    pub denominator: Option<u64>,
    /// Numerator by denominator, where there is enough of it.
    pub value: Option<f64>,
    /// Whether that is healthy.
    pub verdict: Verdict,
    /// The thresholds it was held against.
    pub threshold: Threshold,
    /// Why there is no verdict, where there is none.
    pub no_data: Option<NoData>,
}

impl Ratio {
    /// Works the ratio out on what `amount` tells of each counter.
    pub fn judge(&self, threshold: Threshold, amount: impl Fn(&str) -> Amount) -> Judgement {
        let numerator = sum(&self.numerator, &amount);
        let denominator = sum(&self.denominator, &amount);
        let none = |no_data| Judgement {
            numerator: events(numerator),
            denominator: events(denominator),
            value: None,
            verdict: Verdict::NoData,
            threshold,
            no_data: Some(no_data),
        };
        match (numerator, denominator) {
            (Amount::Absent, _) | (_, Amount::Absent) => none(NoData::NotCounted),
            (Amount::Broken, _) | (_, Amount::Broken) => none(NoData::WentBack),
            (_, Amount::Events(whole)) if whole < self.least.max(1) => none(NoData::TooLittle),
            (Amount::Events(part), Amount::Events(whole)) => {
                let value = part as f64 / whole as f64;
                Judgement {
                    numerator: Some(part),
                    denominator: Some(whole),
                    value: Some(value),
                    verdict: threshold.verdict(value),
                    threshold,
                    no_data: None,
                }
            }
        }
    }
}

/// The sum of those that the kernel counts.
fn sum(names: &[String], amount: impl Fn(&str) -> Amount) -> Amount {
    names.iter().map(|name| amount(name)).fold(Amount::Absent, |sum, next| match (sum, next) {
        (Amount::Broken, _) | (_, Amount::Broken) => Amount::Broken,
        (Amount::Absent, other) | (other, Amount::Absent) => other,
        (Amount::Events(sum), Amount::Events(next)) => Amount::Events(sum.saturating_add(next)),
    })
}

fn events(amount: Amount) -> Option<u64> {
    match amount {
        Amount::Events(events) => Some(events),
        Amount::Absent | Amount::Broken => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(id: &str, counters: &[(&str, Amount)]) -> Judgement {
        let ratio = Ratio::named(id).unwrap();
        ratio.judge(ratio.threshold(), |name| {
            counters.iter().find(|(known, _)| *known == name).map_or(Amount::Absent, |(_, n)| *n)
        })
    }

    #[test]
    fn verdicts_of_retransmission() {
        use Amount::{Absent, Broken, Events};
        for (retransmitted, sent, verdict, no_data) in [
            (Events(0), Events(1000), Verdict::Ok, None),
            (Events(10), Events(1000), Verdict::Ok, None),
            (Events(11), Events(1000), Verdict::Warn, None),
            (Events(51), Events(1000), Verdict::Critical, None),
            (Events(2000), Events(1000), Verdict::Critical, None),
            (Events(999), Events(999), Verdict::NoData, Some(NoData::TooLittle)),
            (Events(0), Events(0), Verdict::NoData, Some(NoData::TooLittle)),
            (Absent, Events(1000), Verdict::NoData, Some(NoData::NotCounted)),
            (Events(1), Absent, Verdict::NoData, Some(NoData::NotCounted)),
            (Events(1), Broken, Verdict::NoData, Some(NoData::WentBack)),
            (Events(u64::MAX), Events(u64::MAX), Verdict::Critical, None),
        ] {
            let counters = [("TcpRetransSegs", retransmitted), ("TcpOutSegs", sent)];
            let judged = judge("retransmission", &counters);
            assert_eq!((judged.verdict, judged.no_data), (verdict, no_data), "{counters:?}");
            assert_eq!(judged.value.is_some(), no_data.is_none());
        }
    }

    #[test]
    fn sums_leave_out_what_a_kernel_does_not_count() {
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
    fn without_thresholds_it_only_informs() {
        let counters = [("TcpExtSyncookiesFailed", Amount::Events(900))];
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
