//! TD104: limited by the program that writes.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};
use crate::diagnosis::sign::Sign;

limits! {
    busy: 0.5, "share", "share of the watched time with data to send, below which the rule matches";
    least: 1_048_576.0, "bytes", "least number of acknowledged bytes";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD104",
    name: "application",
    title: "limited by the program that writes",
    scope: RuleScope::Connection,
    meaning: "The program had nothing to send for most of the time. Neither the network nor the peer limited it: the receiver waits for the program.",
    evidence: "busy_time as a share of the watched time; delivery_rate_app_limited",
    guards: "Only connections that sent much (limit least) are reported: the rate of an occasional request does not matter. It is information: the program may have nothing to say.",
    seen_from: "the sender",
    other_side: "On the receiver the receive queue is empty (recv_q 0): it waits too.",
    advice: &[Advice::new(
        "Find out what the program waits for between two writes: disk, another service, or processor time.",
    )],
    references: &["RFC 9293", "tcp_rate_check_app_limited() in net/ipv4/tcp_rate.c"],
    explained_by: &["TD105"],
    limits: Limits::LIST,
    placeholders: &[],
    judge: Judge::Connection(|input, limits| judge(input, &limits.application)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let busy = evidence.busy_share()?;
    if busy >= limits.busy || (evidence.bytes_acked as f64) < limits.least {
        return None;
    }
    let confidence = if evidence.share_of_polls(Sign::AppLimited) > 0.5 {
        Confidence::High
    } else {
        Confidence::Medium
    };
    Some(
        RuleMatch::new(Severity::Info, confidence, 1.0 - busy)
            .with(Measure::new("busy_share", busy, "share").over(limits.busy))
            .with(Measure::new("rate", evidence.rate(), "B/s")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn only_large_transfers_with_idle_time() {
        let idle = crate::diagnosis::Evidence { busy_us: Some(1_000_000), ..healthy() };
        assert_eq!(judged(&RULE, idle).unwrap().severity, Severity::Info);
        assert_eq!(judged(&RULE, healthy()), None);
        let small = crate::diagnosis::Evidence { bytes_acked: 10_000, ..idle };
        assert_eq!(judged(&RULE, small), None);
    }
}
