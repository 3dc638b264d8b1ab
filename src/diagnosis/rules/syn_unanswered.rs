//! TD153: connecting without an answer.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};
use crate::model::State;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD153",
    name: "syn-unanswered",
    title: "connecting without an answer",
    scope: RuleScope::Connection,
    meaning: "A SYN was sent, and sent again, and nothing came back, not even a refusal: the host is not there, a firewall drops silently, or the listener's queue is full.",
    evidence: "SYN-SENT with repeated SYNs",
    guards: "A refusal would have ended it at once. One repeat on a lossy path can be chance; it has to be repeated at least once while it is watched.",
    seen_from: "the client",
    other_side: "On the server: see whether the SYNs arrive at all; if they do, its listener is full (TD201, TD204) or the way back is broken.",
    advice: &[
        Advice::by(
            "See whether the host answers anything, and who drops.",
            "ping -c 3 {remote_address}",
        ),
        Advice::by(
            "The kernel tries net.ipv4.tcp_syn_retries = {net.ipv4.tcp_syn_retries} times (6: two minutes). A program that cannot wait sets TCP_USER_TIMEOUT or its own.",
            "tcpdiag conns --state syn_sent --processes --columns remote,timer,process",
        ),
    ],
    references: &["RFC 9293 3.5", "RFC 6298 5.7", "tcp_retransmit_timer() in net/ipv4/tcp_timer.c"],
    explained_by: &[],
    limits: &[
        Limit::new("least", 1.0, "events", "repeated SYNs"),
        Limit::new("critical", 3.0, "events", "from where on it is critical"),
    ],
    offers: &["remote_address"],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const LEAST: usize = 0;
const CRITICAL: usize = 1;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let evidence = case.evidence;
    if evidence.state != State::SynSent {
        return None;
    }
    let repeated = evidence.in_vain().max(evidence.retransmits).max(evidence.retrans);
    if (repeated as f64) < case.limit(LEAST) {
        return None;
    }
    let critical = repeated as f64 >= case.limit(CRITICAL);
    let severity = if critical { Severity::Critical } else { Severity::Warning };
    Some(
        RuleMatch::new(severity, Confidence::High, repeated as f64)
            .with(Measure::new("repeated_syns", repeated as f64, "events").over(case.limit(LEAST)))
            .with(Measure::new("rto", evidence.rto_us as f64, "us")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};
    use crate::model::Timer;

    #[test]
    fn repeated() {
        let dialling = |sent| crate::diagnosis::Evidence {
            state: State::SynSent,
            first_state: State::SynSent,
            timer: Timer::new(1, 900, sent),
            ..healthy()
        };
        assert_eq!(judged(&RULE, dialling(0)), None);
        assert_eq!(judged(&RULE, dialling(1)).unwrap().severity, Severity::Warning);
        assert_eq!(judged(&RULE, dialling(4)).unwrap().severity, Severity::Critical);
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
