//! TD110: segments lost on the path.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};
use crate::diagnosis::sign::Sign;

limits! {
    share: 0.01, "share", "share of the segments that were retransmitted";
    least: 10.0, "segments", "least number of retransmitted segments";
    critical: 0.1, "share", "share from which it is critical";
    queued: 0.3, "share", "share of the polls with longer round trips, from which a queue is the likely cause";
}

/// The cause where round trips grow too.
const QUEUED: &str = "Segments within the stream are lost and repaired by fast retransmission, while round trips grow: the likely cause is a queue on the path that overflows. This connection does not fill it alone, since its congestion window is not used up.";

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD110",
    name: "loss",
    title: "segments lost on the path",
    scope: RuleScope::Connection,
    meaning: "Segments within the stream are lost and repaired by fast retransmission. While round trips do not grow, it is not a queue that overflows but a bad link, a duplex mismatch, a policer, or a crowded radio channel.",
    evidence: "growth of total_retrans without timeouts, against data_segs_out; the host's fast retransmits",
    guards: "Unnecessary retransmits are TD114 and TD115, those behind a full queue TD103, those of timeouts TD112. Fewer than ten retransmits, or less than one percent, are normal.",
    seen_from: "the sender",
    other_side: "On the receiver rcv_ooopack grows. Check `ip -s link` there and at the hops between for errors and drops.",
    advice: &[
        Advice::with_command(
            "Find the hop: check for errors on the interfaces of both ends and between them.",
            "ip -s -s link show",
        ),
        Advice::with_command(
            "See whether it affects this peer or all peers.",
            "tcpdiag services --by remote --duration 10s",
        ),
    ],
    references: &["RFC 6675", "RFC 8985", "tcp_xmit_retransmit_queue() in net/ipv4/tcp_output.c"],
    explained_by: &["TD103", "TD114", "TD115", "TD141", "TD122", "TD111"],
    limits: Limits::LIST,
    placeholders: &[],
    judge: Judge::Connection(|input, limits| judge(input, &limits.loss)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let share = evidence.retransmitted_share();
    let repaired = evidence.repaired();
    if (repaired as f64) < limits.least || share < limits.share {
        return None;
    }
    let critical = share >= limits.critical;
    let severity = if critical { Severity::Critical } else { Severity::Warning };
    let mut rule_match = RuleMatch::new(severity, Confidence::High, share)
        .with(Measure::new("retrans_share", share, "share").over(limits.share))
        .with(Measure::new("total_retrans", evidence.retrans as f64, "segments"))
        .with(Measure::new("data_segs_out", evidence.data_segs_out as f64, "segments"));
    let queued = evidence.share_of_polls(Sign::Queued);
    if queued >= limits.queued {
        rule_match = rule_match.with(Measure::new("queued_looks", queued, "share"));
        rule_match.cause = Some(QUEUED.to_owned());
    }
    Some(rule_match)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn one_percent_and_more_matches() {
        let lossy = |retrans| crate::diagnosis::Evidence { retrans, ..healthy() };
        assert_eq!(judged(&RULE, healthy()), None);
        assert_eq!(judged(&RULE, lossy(69)), None);
        assert_eq!(judged(&RULE, lossy(140)).unwrap().severity, Severity::Warning);
        assert_eq!(judged(&RULE, lossy(1400)).unwrap().severity, Severity::Critical);
        let few = crate::diagnosis::Evidence { data_segs_out: 50, ..lossy(5) };
        assert_eq!(judged(&RULE, few), None);
        let by_timeout = crate::diagnosis::Evidence { timeouts: Some(135), ..lossy(140) };
        assert_eq!(judged(&RULE, by_timeout), None);
        let queued = judged(&RULE, lossy(140).shows(Sign::Queued, 6)).unwrap();
        assert!(queued.cause.unwrap().contains("round trips grow"));
        assert_eq!(judged(&RULE, lossy(140)).unwrap().cause, None);
        let unnecessary = crate::diagnosis::Evidence { dsack_dups: Some(135), ..lossy(140) };
        assert_eq!(judged(&RULE, unnecessary), None);
    }
}
