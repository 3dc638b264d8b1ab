//! TD120: round trips inflated by a queue.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};
use crate::diagnosis::sign::Sign;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD120",
    name: "queueing",
    title: "round trips inflated by a queue",
    scope: RuleScope::Connection,
    meaning: "While this connection streams, its round trips are several times what the path needs: its segments wait in a queue, usually of the bottleneck that it fills itself. Everything else that passes there waits too.",
    evidence: "rtt against min_rtt at looks with at least 8 segments in flight, and rttvar",
    guards: "With fewer segments in flight a round trip contains the peer's delayed acknowledgement and its thinking. Where single round trips differ as much as the inflation it is jitter. min_rtt is of the last five minutes. A high but even round trip is a long path, and no finding.",
    seen_from: "the sender",
    other_side: "On the receiver: its own connections through the same bottleneck show the same.",
    advice: &[
        Advice::new(
            "Give the bottleneck a short queue: fq_codel or cake on the router, or shape just below its rate on this host, where the queue can be managed.",
        ),
        Advice::by(
            "Congestion control is {net.ipv4.tcp_congestion_control}, the default qdisc {net.core.default_qdisc}: bbr keeps queues short where others fill them.",
            "sysctl -w net.core.default_qdisc=fq net.ipv4.tcp_congestion_control=bbr",
        ),
    ],
    references: &[
        "RFC 7567",
        "RFC 8290",
        "tcp_rtt_estimator(), tcp_update_rtt_min() in net/ipv4/tcp_input.c",
    ],
    explained_by: &["TD103"],
    limits: &[
        Limit::new("times", 3.0, "times", "the least round trip"),
        Limit::new("more", 20.0, "ms", "above the least round trip"),
        Limit::new("looks", 0.4, "share", "of the looks that found it so"),
    ],
    offers: &[],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const TIMES: usize = 0;
const LOOKS: usize = 2;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let evidence = case.evidence;
    let share = evidence.share_of_looks(Sign::Inflated);
    if share < case.limit(LOOKS) || evidence.looks_at(Sign::Inflated) < 2 {
        return None;
    }
    let least = evidence.min_rtt_us?.max(1) as f64;
    let largest = evidence.largest_rtt_us as f64;
    Some(
        RuleMatch::new(Severity::Warning, Confidence::High, largest / least)
            .with(Measure::new("rtt", largest, "us").over(least * case.limit(TIMES)))
            .with(Measure::new("min_rtt", least, "us"))
            .with(Measure::new("inflated_looks", share, "share").over(case.limit(LOOKS)))
            .with(Measure::new("rate", evidence.rate(), "B/s")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn most_looks_and_not_one() {
        let queued = crate::diagnosis::Evidence { largest_rtt_us: 180_000, ..healthy() };
        assert!(judged(&RULE, queued.shows(Sign::Inflated, 7)).is_some());
        assert_eq!(judged(&RULE, queued.shows(Sign::Inflated, 2)), None);
        let far = crate::diagnosis::Evidence {
            rtt_us: 200_000,
            largest_rtt_us: 201_000,
            min_rtt_us: Some(199_000),
            ..healthy()
        };
        assert_eq!(judged(&RULE, far), None);
    }
}
