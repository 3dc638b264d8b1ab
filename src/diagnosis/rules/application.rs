//! TD104: as fast as the program writes.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};
use crate::diagnosis::sign::Sign;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD104",
    name: "application",
    title: "as fast as the program writes",
    scope: RuleScope::Connection,
    meaning: "The program had nothing to send for most of the time: neither the network nor the peer held it back. Whoever waits for it waits for the program.",
    evidence: "busy_time as a share of the time that was watched; delivery_rate_app_limited",
    guards: "Only connections that sent a megabyte and more are mentioned: of a request now and then nobody asks what its rate is limited by.",
    seen_from: "the sender",
    other_side: "The receiver sees its receive queue empty (recv_q 0): it waits too.",
    advice: &[Advice::new(
        "Look at the program: what it waits for between two writes (disk, another service, its own processor time).",
    )],
    references: &["RFC 9293", "tcp_rate_check_app_limited() in net/ipv4/tcp_rate.c"],
    explained_by: &["TD105"],
    limits: &[
        Limit::new(
            "busy",
            0.5,
            "share",
            "of the watched time with something to send, below which it counts",
        ),
        Limit::new("least", 1_048_576.0, "bytes", "acknowledged at least"),
    ],
    offers: &[],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const BUSY: usize = 0;
const LEAST: usize = 1;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let evidence = case.evidence;
    let busy = evidence.busy_share()?;
    if busy >= case.limit(BUSY) || (evidence.bytes_acked as f64) < case.limit(LEAST) {
        return None;
    }
    let confidence = if evidence.share_of_looks(Sign::AppLimited) > 0.5 {
        Confidence::High
    } else {
        Confidence::Medium
    };
    Some(
        RuleMatch::new(Severity::Info, confidence, 1.0 - busy)
            .with(Measure::new("busy_share", busy, "share").over(case.limit(BUSY)))
            .with(Measure::new("rate", evidence.rate(), "B/s")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn only_large_ones_that_rest() {
        let resting = crate::diagnosis::Evidence { busy_us: Some(1_000_000), ..healthy() };
        assert_eq!(judged(&RULE, resting).unwrap().severity, Severity::Info);
        assert_eq!(judged(&RULE, healthy()), None);
        let small = crate::diagnosis::Evidence { bytes_acked: 10_000, ..resting };
        assert_eq!(judged(&RULE, small), None);
    }
}
