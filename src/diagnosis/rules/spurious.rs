//! TD114: retransmits that were not needed.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD114",
    name: "received-twice",
    title: "retransmits that were not needed",
    scope: RuleScope::Connection,
    meaning: "The peer reports that it received segments twice (DSACK): they had not been lost but were late, or their acknowledgements were. Each such repair halves the window for nothing.",
    evidence: "growth of dsack_dups against total_retrans",
    guards: "Where reordering is seen on the same connection that is the cause, and TD115 says so.",
    seen_from: "the sender",
    other_side: "On the receiver: sk_drops and DelayedACKLost grow with every segment that comes twice.",
    advice: &[
        Advice::new(
            "Round trips that jump (a radio link, a virtual machine that is not scheduled, a queue that fills at once) make the timer fire too early: see rttvar. Acknowledgements lost on the way back do the same.",
        ),
        Advice::by(
            "The kernel undoes wrong reductions if it may: net.ipv4.tcp_frto = {net.ipv4.tcp_frto}, tcp_dsack = {net.ipv4.tcp_dsack}, tcp_timestamps = {net.ipv4.tcp_timestamps}.",
            "tcpdiag sysctl tcp_frto tcp_dsack tcp_timestamps",
        ),
    ],
    references: &["RFC 2883", "RFC 3708", "RFC 5682", "tcp_check_dsack() in net/ipv4/tcp_input.c"],
    explained_by: &["TD115"],
    limits: &[
        Limit::new("share", 0.4, "share", "of the retransmits that were not needed"),
        Limit::new("least", 5.0, "segments", "not needed at least"),
    ],
    offers: &[],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const SHARE: usize = 0;
const LEAST: usize = 1;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let evidence = case.evidence;
    let doubles = evidence.dsack_dups? as f64;
    let share = doubles / (evidence.retrans as f64).max(doubles).max(1.0);
    // One in a thousand is no burden.
    let rare = doubles * 1e3 < evidence.data_segs_out as f64;
    if doubles < case.limit(LEAST) || share < case.limit(SHARE) || rare {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Warning, Confidence::High, doubles)
            .with(Measure::new("dsack_dups", doubles, "segments").over(case.limit(LEAST)))
            .with(Measure::new("spurious_share", share, "share").over(case.limit(SHARE)))
            .with(Measure::new("rttvar", evidence.rttvar_us as f64, "us")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn what_the_peer_had_already() {
        let doubles = |doubles, retrans| crate::diagnosis::Evidence {
            dsack_dups: Some(doubles),
            retrans,
            ..healthy()
        };
        assert!(judged(&RULE, doubles(30, 40)).is_some());
        assert_eq!(judged(&RULE, doubles(3, 3)), None);
        assert_eq!(judged(&RULE, doubles(6, 100)), None);
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
