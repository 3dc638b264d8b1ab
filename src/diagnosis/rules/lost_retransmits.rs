//! TD113: retransmits lost again.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::{limits, warn_above};
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};

limits! {
    share: warn_above("lost_retransmits"), "share", "share of the host's retransmits that were lost";
    least: 5.0, "segments", "least number of lost retransmits";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD113",
    name: "retransmits-lost",
    title: "retransmits lost again",
    scope: RuleScope::Connection,
    meaning: "Retransmitted segments were lost again: by long outages, by a policer that drops whatever arrives too soon, or by chance under very heavy loss.",
    evidence: "the host's TCPLostRetransmit against RetransSegs, if this connection has most of the retransmits",
    guards: "Each costs a round trip or a timeout more; what that takes in time is TD112. The kernel counts lost retransmits per host only. A connection is reported if half of the host's retransmits are its own, with medium confidence.",
    seen_from: "the sender",
    other_side: "On the receiver nothing shows it.",
    advice: &[Advice::new(
        "Look for a policer, or for a link that goes down for longer than a round trip. A shaper below the policed rate, or pacing, prevents the drops.",
    )],
    references: &["RFC 8985", "tcp_mark_skb_lost() in net/ipv4/tcp_input.c"],
    explained_by: &["TD122", "TD141", "TD153"],
    limits: Limits::LIST,
    placeholders: &[],
    judge: Judge::Connection(|input, limits| judge(input, &limits.lost_retransmits)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let (evidence, host) = (input.evidence, &input.context.host);
    let lost = host.growth("TcpExtTCPLostRetransmit")? as f64;
    let all = host.growth("TcpRetransSegs")? as f64;
    let share = lost / all.max(1.0);
    if lost < limits.least || share < limits.share || (evidence.retrans as f64) * 2.0 < all {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Warning, Confidence::Medium, share)
            .with(Measure::new("TCPLostRetransmit", lost, "segments").over(limits.least))
            .with(Measure::new("lost_again_share", share, "share").over(limits.share))
            .with(Measure::new("total_retrans", evidence.retrans as f64, "segments")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, healthy, host, judged_in};

    #[test]
    fn only_the_connection_with_most_retransmits() {
        let mut context = context();
        context.host = host(&[("TcpRetransSegs", 100), ("TcpExtTCPLostRetransmit", 30)]);
        let of = |retrans| crate::diagnosis::Evidence { retrans, ..healthy() };
        assert!(judged_in(&RULE, of(80), &context).is_some());
        assert_eq!(judged_in(&RULE, of(20), &context), None);
        context.host = host(&[("TcpRetransSegs", 100), ("TcpExtTCPLostRetransmit", 3)]);
        assert_eq!(judged_in(&RULE, of(80), &context), None);
    }
}
