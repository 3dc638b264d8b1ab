//! TD120: round trips inflated by a queue.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};
use crate::diagnosis::sign::Sign;

limits! {
    times: 3.0, "times", "multiple of the least round trip";
    more: 20.0, "ms", "milliseconds above the least round trip";
    looks: 0.4, "share", "share of the polls with inflated round trips";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD120",
    name: "queueing",
    title: "round trips inflated by a queue",
    scope: RuleScope::Connection,
    meaning: "While this connection sends a stream, its round trips are several times as long as the path needs: its segments wait in a queue, usually at the bottleneck that it fills itself. All other traffic through that queue waits too.",
    evidence: "rtt against min_rtt at polls with at least 8 segments in flight, and rttvar",
    guards: "It is a warning, because all that shares the queue waits, whatever this connection loses. With fewer segments in flight a round trip includes the peer's delayed acknowledgement and processing time. If round trips vary as much as they are inflated, it is jitter. min_rtt covers the last five minutes. A high but constant round trip is a long path, not a finding.",
    seen_from: "the sender",
    other_side: "On the receiver, its own connections through the same bottleneck show the same.",
    advice: &[
        Advice::new(
            "Give the bottleneck a short queue: use fq_codel or cake on the router, or shape to just below its rate on this host.",
        ),
        Advice::with_command(
            "Congestion control is {net.ipv4.tcp_congestion_control}. bbr keeps queues short that other algorithms fill. The setting is for connections that are opened after it.",
            "sysctl -w net.ipv4.tcp_congestion_control=bbr",
        )
        .only_with("bbr"),
    ],
    references: &[
        "RFC 7567",
        "RFC 8290",
        "tcp_rtt_estimator(), tcp_update_rtt_min() in net/ipv4/tcp_input.c",
    ],
    explained_by: &["TD103"],
    limits: Limits::LIST,
    placeholders: &["bbr"],
    judge: Judge::Connection(|input, limits| judge(input, &limits.queueing)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let share = evidence.share_of_polls(Sign::Inflated);
    if share < limits.looks || evidence.polls_with(Sign::Inflated) < 2 {
        return None;
    }
    let least = evidence.min_rtt_us?.max(1) as f64;
    let largest = evidence.largest_rtt_us as f64;
    let rule_match = RuleMatch::new(Severity::Warning, Confidence::High, largest / least)
        .with(Measure::new("rtt", largest, "us").over(least * limits.times))
        .with(Measure::new("min_rtt", least, "us"))
        .with(Measure::new("inflated_looks", share, "share").over(limits.looks))
        .with(Measure::new("rate", evidence.rate(), "B/s"));
    Some(match input.context.can_switch_to_bbr() {
        true => rule_match.with_word("bbr", ""),
        false => rule_match,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn has_to_be_inflated_at_many_polls() {
        let queued = crate::diagnosis::Evidence { largest_rtt_us: 180_000, ..healthy() };
        assert!(judged(&RULE, queued.shows(Sign::Inflated, 7)).is_some());
        assert_eq!(judged(&RULE, queued.shows(Sign::Inflated, 2)), None);
        let far = crate::diagnosis::Evidence {
            rtt_us: Some(200_000),
            largest_rtt_us: 201_000,
            min_rtt_us: Some(199_000),
            ..healthy()
        };
        assert_eq!(judged(&RULE, far), None);
    }
}
