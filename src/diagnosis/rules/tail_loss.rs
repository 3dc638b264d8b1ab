//! TD111: the last segments of a burst lost.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};

limits! {
    least: 3.0, "segments", "least number of retransmitted segments, and of probes";
    share: 0.002, "share", "share of the segments that were retransmitted";
    probes: 0.35, "share", "share of the host's repairs that were probes";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD111",
    name: "tail-loss",
    title: "the last segments of a burst lost",
    scope: RuleScope::Connection,
    meaning: "The end of a burst is lost. No later segment makes the peer report the gap, so a loss probe repairs it after two round trips, and the reader waits that long.",
    evidence: "growth of total_retrans, while most of the host's repairs began with loss probes (TCPLossProbes against TCPFastRetrans; after a probe the rest of a lost tail is repaired by fast retransmission)",
    guards: "The kernel does not count probes per connection. The host's share of probes decides, so the confidence is medium at most. Timeouts are TD112. Probes that sent new data, or data that the peer already had (DSACK), repaired nothing. If neither probes (TCPLossProbeRecovery) nor fast retransmission repaired half as much as was sent again, only acknowledgements were lost or late.",
    seen_from: "the sender",
    other_side: "On the receiver nothing shows it: a lost tail leaves no gap.",
    advice: &[
        Advice::with_command(
            "See the kinds of retransmits by service.",
            "tcpdiag services --counter TCPLossProbes,TCPFastRetrans --duration 10s",
        ),
        Advice::new(
            "Find what drops the segments: a shallow buffer (a switch port, a policer) drops the end of a burst. Pacing (qdisc fq) makes bursts smaller.",
        ),
    ],
    references: &["RFC 8985 7", "tcp_send_loss_probe() in net/ipv4/tcp_output.c"],
    explained_by: &["TD112", "TD122", "TD141", "TD115", "TD114"],
    limits: Limits::LIST,
    placeholders: &[],
    judge: Judge::Connection(|input, limits| judge(input, &limits.tail_loss)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let repaired = evidence.repaired();
    let share = evidence.retransmitted_share();
    if (repaired as f64) < limits.least || share < limits.share {
        return None;
    }
    let [fast, probes] = input.context.host.fast_and_probes()?;
    let mix = probes as f64 / (probes + fast).max(1) as f64;
    if mix < limits.probes || (probes as f64) < limits.least || probes < repaired / 2 {
        return None;
    }
    // A probe whose answer shows a loss is counted, or the rest of the tail is repaired after it.
    // Otherwise only acknowledgements were lost, or late.
    let recovered = input.context.host.growth("TcpExtTCPLossProbeRecovery");
    if recovered.is_some_and(|recovered| (recovered + fast) * 2 < repaired) {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Warning, Confidence::Medium, repaired as f64)
            .with(
                Measure::new("total_retrans", evidence.retrans as f64, "segments")
                    .over(limits.least),
            )
            .with(Measure::new("retrans_share", share, "share"))
            .with(Measure::new("TCPLossProbes", probes as f64, "events"))
            .with(Measure::new("TCPFastRetrans", fast as f64, "segments"))
            .with_growth("TCPLossProbeRecovery", recovered),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, healthy, host, judged_in};

    #[test]
    fn probes_rather_than_fast_retransmits() {
        let lossy = crate::diagnosis::Evidence { retrans: 20, ..healthy() };
        let mut context = context();
        context.host = host(&[("TcpExtTCPLossProbes", 22), ("TcpExtTCPFastRetrans", 3)]);
        assert!(judged_in(&RULE, lossy, &context).is_some());
        assert_eq!(judged_in(&RULE, healthy(), &context), None);
        // Only acknowledgements were lost, of a peer that sends no DSACK.
        let probes = [
            ("TcpExtTCPLossProbes", 22),
            ("TcpExtTCPFastRetrans", 3),
            ("TcpExtTCPLossProbeRecovery", 2),
        ];
        context.host = host(&probes);
        assert_eq!(judged_in(&RULE, lossy, &context), None);
        context.host = host(&[probes[0], probes[1], ("TcpExtTCPLossProbeRecovery", 18)]);
        assert!(judged_in(&RULE, lossy, &context).is_some());
        context.host = host(&[("TcpExtTCPLossProbes", 2), ("TcpExtTCPFastRetrans", 1)]);
        let few = crate::diagnosis::Evidence { retrans: 3, data_segs_out: 9, ..healthy() };
        assert_eq!(judged_in(&RULE, few, &context), None, "few probes");
        context.host = host(&[("TcpExtTCPLossProbes", 3), ("TcpExtTCPFastRetrans", 22)]);
        assert_eq!(judged_in(&RULE, lossy, &context), None);
    }
}
