//! TD113: retransmits lost again.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD113",
    name: "retransmits-lost",
    title: "retransmits lost again",
    scope: RuleScope::Connection,
    meaning: "Segments that were sent again were lost again: long outages, a policer that drops whatever comes too soon, or loss so heavy that chance suffices.",
    evidence: "the host's TCPLostRetransmit against RetransSegs, where this connection has most of the retransmits",
    guards: "The kernel counts these per host only: a connection is named when half of the host's retransmits are its own, with medium confidence.",
    seen_from: "the sender",
    other_side: "On the receiver nothing tells.",
    advice: &[Advice::new(
        "Look for a policer or a link that goes away for longer than a round trip. A shaper below the policed rate, or pacing, keeps segments from being dropped.",
    )],
    references: &["RFC 8985", "tcp_mark_skb_lost() in net/ipv4/tcp_input.c"],
    explained_by: &["TD122", "TD141"],
    limits: &[
        Limit::new("share", 0.15, "share", "of the host's retransmits that were lost"),
        Limit::new("least", 5.0, "segments", "lost again at least"),
    ],
    offers: &[],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const SHARE: usize = 0;
const LEAST: usize = 1;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let (evidence, host) = (case.evidence, &case.context.host);
    let lost = host.grown("TcpExtTCPLostRetransmit")? as f64;
    let all = host.grown("TcpRetransSegs")? as f64;
    let share = lost / all.max(1.0);
    if lost < case.limit(LEAST)
        || share < case.limit(SHARE)
        || (evidence.retrans as f64) * 2.0 < all
    {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Warning, Confidence::Medium, share)
            .with(Measure::new("TCPLostRetransmit", lost, "segments").over(case.limit(LEAST)))
            .with(Measure::new("lost_again_share", share, "share").over(case.limit(SHARE)))
            .with(Measure::new("total_retrans", evidence.retrans as f64, "segments")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, healthy, host, judged_in};

    #[test]
    fn where_most_are_its_own() {
        let mut context = context();
        context.host = host(&[("TcpRetransSegs", 100), ("TcpExtTCPLostRetransmit", 30)]);
        let of = |retrans| crate::diagnosis::Evidence { retrans, ..healthy() };
        assert!(judged_in(&RULE, of(80), &context).is_some());
        assert_eq!(judged_in(&RULE, of(20), &context), None);
        context.host = host(&[("TcpRetransSegs", 100), ("TcpExtTCPLostRetransmit", 3)]);
        assert_eq!(judged_in(&RULE, of(80), &context), None);
    }
}
