//! TD153: no answer to connection attempts.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};
use crate::model::State;

limits! {
    least: 1.0, "events", "least number of repeated SYNs";
    critical: 3.0, "events", "repeated SYNs from which it is critical";
}

/// The cause where the peer answers other connections.
const IS_UP: &str = "A SYN was sent and repeated without any answer, not even a refusal, while the peer answers other connections of this host. The peer is up: a firewall drops what goes to this port, or the listener's queue is full.";

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD153",
    name: "syn-unanswered",
    title: "no answer to connection attempts",
    scope: RuleScope::Connection,
    meaning: "A SYN was sent and repeated without any answer, not even a refusal: the host is down, a firewall drops silently, or the listener's queue is full.",
    evidence: "SYN-SENT with repeated SYNs",
    guards: "A refusal would end the attempt at once. On a lossy path one repeat can be chance.",
    seen_from: "the client",
    other_side: "On the server check whether the SYNs arrive at all. If they do, its listener is full (TD201, TD204) or the path back is broken.",
    advice: &[
        Advice::with_command("See whether the host answers at all.", "ping -c 3 {remote_address}")
            .only_with("nowhere"),
        Advice::new(
            "The host answers other connections: look for a firewall rule for this port, and for a full queue of its listener.",
        )
        .only_with("elsewhere"),
        Advice::with_command(
            "The kernel tries net.ipv4.tcp_syn_retries = {net.ipv4.tcp_syn_retries} times (6: two minutes). A program that cannot wait can set TCP_USER_TIMEOUT or use its own timeout.",
            "tcpdiag conns --state syn_sent --processes --columns remote,timer,process",
        ),
    ],
    references: &["RFC 9293 3.5", "RFC 6298 5.7", "tcp_retransmit_timer() in net/ipv4/tcp_timer.c"],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &["remote_address", "elsewhere", "nowhere"],
    judge: Judge::Connection(|input, limits| judge(input, &limits.syn_unanswered)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    if evidence.state != State::SynSent {
        return None;
    }
    let repeated = evidence.unanswered().max(evidence.retransmits).max(evidence.retrans);
    if (repeated as f64) < limits.least {
        return None;
    }
    let critical = repeated as f64 >= limits.critical;
    let severity = if critical { Severity::Critical } else { Severity::Warning };
    Some(
        RuleMatch::new(severity, Confidence::High, repeated as f64)
            .with(Measure::new("repeated_syns", repeated as f64, "events").over(limits.least))
            .with(Measure::new("rto", evidence.rto_us as f64, "us"))
            .of_silent_peer(evidence.watched_s, IS_UP),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};
    use crate::model::Timer;

    #[test]
    fn repeated_syns_match() {
        let connecting = |sent| crate::diagnosis::Evidence {
            state: State::SynSent,
            first_state: State::SynSent,
            timer: Timer::new(1, 900, sent),
            ..healthy()
        };
        assert_eq!(judged(&RULE, connecting(0)), None);
        assert_eq!(judged(&RULE, connecting(1)).unwrap().severity, Severity::Warning);
        assert_eq!(judged(&RULE, connecting(4)).unwrap().severity, Severity::Critical);
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
