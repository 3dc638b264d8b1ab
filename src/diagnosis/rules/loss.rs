//! TD110: segments lost on the path.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD110",
    name: "loss",
    title: "segments lost on the path",
    scope: RuleScope::Connection,
    meaning: "Segments are lost in the midst of the stream and repaired by fast retransmission, while round trips do not grow: not a queue that overflows, but a bad link, a duplex mismatch, a policer, or a crowded radio.",
    evidence: "growth of total_retrans against data_segs_out, less timeouts; the host's fast retransmits",
    guards: "Retransmits that were not needed are TD114 and TD115, those behind a full queue TD103, those of timeouts TD112. Fewer than ten, or less than a hundredth, are life on a network.",
    seen_from: "the sender",
    other_side: "On the receiver: rcv_ooopack grows where the gaps are; `ip -s link` there and on the way (errors, drops).",
    advice: &[
        Advice::by(
            "Find the hop: errors of the interfaces on both ends and between.",
            "ip -s -s link show",
        ),
        Advice::by(
            "See whether it is this peer or all of them.",
            "tcpdiag services --by remote --duration 10s",
        ),
    ],
    references: &["RFC 6675", "RFC 8985", "tcp_xmit_retransmit_queue() in net/ipv4/tcp_output.c"],
    explained_by: &["TD103", "TD114", "TD115", "TD141", "TD122", "TD111"],
    limits: &[
        Limit::new("share", 0.01, "share", "of the segments that were retransmitted"),
        Limit::new("least", 10.0, "segments", "retransmitted at least"),
        Limit::new("critical", 0.1, "share", "from where on it is critical"),
    ],
    offers: &[],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const SHARE: usize = 0;
const LEAST: usize = 1;
const CRITICAL: usize = 2;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let evidence = case.evidence;
    let share = evidence.retransmitted_share();
    let repaired = evidence.repaired();
    if (repaired as f64) < case.limit(LEAST) || share < case.limit(SHARE) {
        return None;
    }
    let critical = share >= case.limit(CRITICAL);
    let severity = if critical { Severity::Critical } else { Severity::Warning };
    Some(
        RuleMatch::new(severity, Confidence::High, share)
            .with(Measure::new("retrans_share", share, "share").over(case.limit(SHARE)))
            .with(Measure::new("total_retrans", evidence.retrans as f64, "segments"))
            .with(Measure::new("data_segs_out", evidence.data_segs_out as f64, "segments")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn from_a_hundredth_on() {
        let lossy = |retrans| crate::diagnosis::Evidence { retrans, ..healthy() };
        assert_eq!(judged(&RULE, healthy()), None);
        assert_eq!(judged(&RULE, lossy(69)), None);
        assert_eq!(judged(&RULE, lossy(140)).unwrap().severity, Severity::Warning);
        assert_eq!(judged(&RULE, lossy(1400)).unwrap().severity, Severity::Critical);
        let few = crate::diagnosis::Evidence { data_segs_out: 50, ..lossy(5) };
        assert_eq!(judged(&RULE, few), None);
        let by_timeout = crate::diagnosis::Evidence { timeouts: Some(135), ..lossy(140) };
        assert_eq!(judged(&RULE, by_timeout), None);
        let for_nothing = crate::diagnosis::Evidence { dsack_dups: Some(135), ..lossy(140) };
        assert_eq!(judged(&RULE, for_nothing), None);
    }
}
