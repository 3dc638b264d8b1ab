//! TD111: the last segments of a burst lost.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD111",
    name: "tail-loss",
    title: "the last segments of a burst lost",
    scope: RuleScope::Connection,
    meaning: "What is lost is the end of a burst, behind which nothing comes that would make the peer complain: a probe after two round trips repairs it, and the reader waits that long.",
    evidence: "growth of total_retrans, while the host's repairs began with loss probes (TCPLossProbes against TCPFastRetrans: behind a probe the rest of a lost tail follows fast)",
    guards: "The kernel does not count probes per connection: the host's mix decides, so the confidence is medium at most. Timeouts are TD112. Probes that sent new data, or that the peer had already received (DSACK), repaired nothing.",
    seen_from: "the sender",
    other_side: "On the receiver nothing tells: what was lost left no gap.",
    advice: &[
        Advice::by(
            "See the mix by service.",
            "tcpdiag services --counter TCPLossProbes,TCPFastRetrans --duration 10s",
        ),
        Advice::new(
            "Find what drops: short bursts into a shallow buffer (a switch port, a policer) lose their end. Pacing (qdisc fq) makes bursts smaller.",
        ),
    ],
    references: &["RFC 8985 7", "tcp_send_loss_probe() in net/ipv4/tcp_output.c"],
    explained_by: &["TD112", "TD122", "TD141", "TD115", "TD114"],
    limits: &[
        Limit::new("least", 3.0, "segments", "retransmitted at least"),
        Limit::new("share", 0.002, "share", "of the segments that were retransmitted"),
        Limit::new("probes", 0.35, "share", "of the host's repairs that were probes"),
    ],
    offers: &[],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const LEAST: usize = 0;
const SHARE: usize = 1;
const PROBES: usize = 2;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let evidence = case.evidence;
    let repaired = evidence.repaired();
    let share = evidence.retransmitted_share();
    if (repaired as f64) < case.limit(LEAST) || share < case.limit(SHARE) {
        return None;
    }
    let [fast, _, probes] = case.context.host.retransmits();
    let mix = probes as f64 / (probes + fast).max(1) as f64;
    if mix < case.limit(PROBES) || probes < repaired / 2 {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Warning, Confidence::Medium, repaired as f64)
            .with(
                Measure::new("total_retrans", evidence.retrans as f64, "segments")
                    .over(case.limit(LEAST)),
            )
            .with(Measure::new("retrans_share", share, "share"))
            .with(Measure::new("TCPLossProbes", probes as f64, "events"))
            .with(Measure::new("TCPFastRetrans", fast as f64, "segments")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, healthy, host, judged_in};

    #[test]
    fn probes_and_not_fast_retransmits() {
        let lossy = crate::diagnosis::Evidence { retrans: 20, ..healthy() };
        let mut context = context();
        context.host = host(&[("TcpExtTCPLossProbes", 22), ("TcpExtTCPFastRetrans", 3)]);
        assert!(judged_in(&RULE, lossy, &context).is_some());
        assert_eq!(judged_in(&RULE, healthy(), &context), None);
        context.host = host(&[("TcpExtTCPLossProbes", 3), ("TcpExtTCPFastRetrans", 22)]);
        assert_eq!(judged_in(&RULE, lossy, &context), None);
    }
}
