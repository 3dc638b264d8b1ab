//! TD115: segments overtake each other.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD115",
    name: "reordered-path",
    title: "segments overtake each other",
    scope: RuleScope::Connection,
    meaning: "Segments arrive in another order than they were sent. The sender takes late ones for lost until it has learnt how far they may lag, repairs what was not broken and slows down.",
    evidence: "growth of reord_seen against data_segs_out; reordering above its initial 3",
    guards: "Linux notices reordering only where it hurts, and then tolerates more; a few events per connection are normal on any network of many paths, hence the share.",
    seen_from: "the sender",
    other_side: "On the receiver: rcv_ooopack and TCPOFOQueue grow while nothing is lost.",
    advice: &[
        Advice::new(
            "Look for what spreads one connection's segments over several paths: bonding in mode balance-rr, per-packet load balancing, receive steering without flow hashing, a jittery queue.",
        ),
        Advice::by(
            "The kernel tolerates {reordering} segments by now; a higher start spares new connections the learning (net.ipv4.tcp_reordering = {net.ipv4.tcp_reordering}).",
            "sysctl -w net.ipv4.tcp_reordering={reordering}",
        ),
    ],
    references: &["RFC 4737", "RFC 8985 6", "tcp_check_sack_reordering() in net/ipv4/tcp_input.c"],
    explained_by: &["TD122"],
    limits: &[
        Limit::new("least", 5.0, "events", "seen at least"),
        Limit::new("share", 0.001, "share", "of the segments sent"),
    ],
    offers: &["reordering"],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const LEAST: usize = 0;
const SHARE: usize = 1;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let evidence = case.evidence;
    let seen = evidence.reord_seen? as f64;
    let share = seen / (evidence.data_segs_out as f64).max(1.0);
    if seen < case.limit(LEAST) || share < case.limit(SHARE) {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Warning, Confidence::High, seen)
            .with(Measure::new("reord_seen", seen, "events").over(case.limit(LEAST)))
            .with(Measure::new("reordering_share", share, "share").over(case.limit(SHARE)))
            .with(Measure::new("reordering", evidence.reordering as f64, "segments").of_its_life())
            .saying("reordering", evidence.reordering.clamp(3, 127).to_string()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn often_enough_to_matter() {
        let seen = |reord_seen| crate::diagnosis::Evidence {
            reord_seen: Some(reord_seen),
            reordering: 30,
            ..healthy()
        };
        assert!(judged(&RULE, seen(20)).is_some());
        assert_eq!(judged(&RULE, seen(4)), None);
        let long = crate::diagnosis::Evidence { data_segs_out: 1_000_000, ..seen(20) };
        assert_eq!(judged(&RULE, long), None);
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
