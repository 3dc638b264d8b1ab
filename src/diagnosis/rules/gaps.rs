//! TD117: received data has gaps.

use crate::counters::is_above;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};

limits! {
    share: 0.02, "share", "share of the received segments with data that arrived after a gap";
    least: 10.0, "segments", "least number of segments after a gap";
    missing: 0.01, "share", "share of the segments that were missing, from which it is more than information";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD117",
    name: "gaps-received",
    title: "received data has gaps",
    scope: RuleScope::Connection,
    meaning: "Many segments arrive while an earlier one is missing: on the way here segments are lost, or overtake each other. Until the missing one arrives, the program gets nothing of what follows it. One lost segment lets all segments behind it arrive after a gap, so the share is larger than the share of lost segments.",
    evidence: "growth of rcv_ooopack against data_segs_in, and against the segments that arrive in a round trip (the larger of rcv_rtt and min_rtt)",
    guards: "The share has to be above the limit beyond chance. A transfer that fills its path loses a segment now and then, and all that follow in the same round trip arrive after the gap: where fewer are missing than the limit says, it is information. The receiver cannot tell loss from reordering: the sender can. Nor can it tell whether fewer limit the rate: a sender that fills its path alone loses as many as the model of its congestion control says, like one that loss holds back. On the sender, TD110 judges loss by what it costs.",
    seen_from: "the receiver",
    other_side: "On the sender: TD110 if segments are lost, TD115 if they are reordered.",
    advice: &[
        Advice::with_command(
            "See whether it affects this peer or all peers. If it affects all, look at this host's own link, queues and processors first.",
            "tcpdiag conns 'rcv_ooopack > 0' --columns remote,rcv_ooopack,data_segs_in,bytes_received,rtt",
        ),
        Advice::with_command("See whether this host drops what arrives.", "ip -s -s link show"),
    ],
    references: &["tcp_data_queue_ofo() in net/ipv4/tcp_input.c", "RFC 9293 3.10.7.4"],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &[],
    judge: Judge::Connection(|input, limits| judge(input, &limits.gaps)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let late = evidence.out_of_order?;
    let all = evidence.data_segs_in;
    if (late as f64) < limits.least || !is_above(late, all, limits.share) {
        return None;
    }
    let share = late as f64 / all.max(1) as f64;
    let missing = evidence.missing() / all.max(1) as f64;
    let severity = if missing < limits.missing { Severity::Info } else { Severity::Warning };
    Some(
        RuleMatch::new(severity, Confidence::High, share)
            .with(Measure::new("missing_share", missing, "share").over(limits.missing))
            .with(Measure::new("out_of_order_share", share, "share").over(limits.share))
            .with(Measure::new("rcv_ooopack", late as f64, "segments"))
            .with(Measure::new("data_segs_in", all as f64, "segments")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn share_of_segments_after_a_gap() {
        let late = |out_of_order, data_segs_in| crate::diagnosis::Evidence {
            out_of_order: Some(out_of_order),
            data_segs_in,
            ..healthy()
        };
        assert!(judged(&RULE, late(5_023, 6_941)).is_some());
        assert!(judged(&RULE, late(12, 60)).is_some(), "few and clear");
        assert_eq!(judged(&RULE, late(20, 1_000)), None);
        assert_eq!(judged(&RULE, late(9, 9)), None);
        // 40 segments in each round trip: some 10 were missing, or 150.
        let far = |out_of_order| crate::diagnosis::Evidence {
            rcv_rtt_us: Some(40_000),
            ..late(out_of_order, 10_000)
        };
        assert_eq!(judged(&RULE, far(400)).unwrap().severity, Severity::Info);
        let much = judged(&RULE, far(6_000)).unwrap();
        assert_eq!((much.severity, much.evidence[0].value), (Severity::Warning, 0.015));
        let old = crate::diagnosis::Evidence { out_of_order: None, ..late(0, 1_000) };
        assert_eq!(judged(&RULE, old), None);
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
