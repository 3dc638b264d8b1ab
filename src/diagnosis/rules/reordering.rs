//! TD115: segments arrive out of order.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::{limits, warn_above};
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};

limits! {
    least: 5.0, "events", "least number of reordering events";
    share: warn_above("reordering"), "share", "reordering events as a share of the segments sent";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD115",
    name: "reordered-path",
    title: "segments arrive out of order",
    scope: RuleScope::Connection,
    meaning: "Segments arrive in another order than they were sent. Until the sender has learnt how late segments may arrive, it takes late ones for lost, retransmits them unnecessarily and slows down.",
    evidence: "growth of reord_seen against data_segs_out; reordering above its initial 3",
    guards: "Linux counts reordering only if it has an effect, and then tolerates more. A few events per connection are normal on networks with several paths, so the share decides as well.",
    seen_from: "the sender",
    other_side: "On the receiver rcv_ooopack and TCPOFOQueue grow while nothing is lost.",
    advice: &[
        Advice::new(
            "Find what spreads one connection's segments over several paths: bonding in mode balance-rr, per-packet load balancing, receive steering without flow hashing, a jittery queue.",
        ),
        Advice::new(
            "The kernel has learnt to wait for late segments on this connection. New ones start again from net.ipv4.tcp_reordering = {net.ipv4.tcp_reordering}: until the path is repaired, few long connections suffer less than many short ones.",
        ),
    ],
    references: &["RFC 4737", "RFC 8985 6", "tcp_check_sack_reordering() in net/ipv4/tcp_input.c"],
    explained_by: &["TD122"],
    limits: Limits::LIST,
    placeholders: &[],
    judge: Judge::Connection(|input, limits| judge(input, &limits.reordering)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let seen = evidence.reord_seen? as f64;
    let share = seen / (evidence.data_segs_out as f64).max(1.0);
    if seen < limits.least || share < limits.share {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Warning, Confidence::High, seen)
            .with(Measure::new("reord_seen", seen, "events").over(limits.least))
            .with(Measure::new("reordering_share", share, "share").over(limits.share))
            .with(
                Measure::new("reordering", evidence.reordering as f64, "segments").over_lifetime(),
            ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn needs_events_and_share() {
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
