//! TD122: stalled: data sent, nothing comes back.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};
use crate::diagnosis::sign::Sign;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD122",
    name: "stalled",
    title: "stalled: data sent, nothing comes back",
    scope: RuleScope::Connection,
    meaning: "Data is queued or in flight, and for seconds the peer has acknowledged nothing: it is gone, or the path to it is. The kernel goes on retransmitting, at ever longer intervals, until it gives up.",
    evidence: "seconds without an acknowledgement while send_q is not empty; retransmits, backoff",
    guards: "A connection without data in flight is idle, not stalled. A closed window is TD130, large segments only are TD141, a closing connection is TD151, a handshake TD153.",
    seen_from: "the sender",
    other_side: "On the peer, if it lives: the connection is idle there, or not there any more. See whether segments of this host arrive at all.",
    advice: &[
        Advice::by(
            "See whether the peer is there, and by which way.",
            "ping -c 3 {remote_address}",
        ),
        Advice::by(
            "The kernel gives up after net.ipv4.tcp_retries2 = {net.ipv4.tcp_retries2} timeouts (15: about a quarter of an hour). A program that has to know sooner sets TCP_USER_TIMEOUT.",
            "tcpdiag conns --remote-ip {remote_address} --columns remote,timer,backoff,send_q,last_ack_recv --processes",
        ),
    ],
    references: &["RFC 9293 3.8.3", "RFC 5482", "tcp_write_timeout() in net/ipv4/tcp_timer.c"],
    explained_by: &["TD130", "TD141", "TD151", "TD153"],
    limits: &[
        Limit::new("least", 2.0, "s", "without an acknowledgement"),
        Limit::new("critical", 5.0, "s", "from where on it is critical"),
    ],
    offers: &["remote_address"],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const LEAST: usize = 0;
const CRITICAL: usize = 1;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let evidence = case.evidence;
    let waiting = evidence.sends() && evidence.unacked > 0 && evidence.send_queue > 0;
    let silent = evidence.last_ack_recv_ms as f64 / 1e3;
    // Seen by two looks, or told by the clock and the timer.
    let trying =
        evidence.retransmits > 0 || evidence.backoff > 0 || evidence.looks_at(Sign::Timeout) > 0;
    let stalled = evidence.stalled_s.max(if trying { silent.min(evidence.watched_s) } else { 0.0 });
    if !waiting || !trying || stalled < case.limit(LEAST) || silent < case.limit(LEAST) {
        return None;
    }
    let critical = silent >= case.limit(CRITICAL);
    let severity = if critical { Severity::Critical } else { Severity::Warning };
    Some(
        RuleMatch::new(severity, Confidence::High, silent)
            .with(Measure::new("last_ack_recv", silent, "s").over(case.limit(LEAST)))
            .with(Measure::new("send_q", evidence.send_queue as f64, "bytes"))
            .with(Measure::new("retransmits", evidence.retransmits as f64, "events"))
            .with(Measure::new("rto", evidence.rto_us as f64, "us")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn in_flight_and_silent() {
        let stalled = crate::diagnosis::Evidence {
            send_queue: 5_000,
            unacked: 4,
            stalled_s: 8.0,
            retransmits: 4,
            backoff: 4,
            last_ack_recv_ms: 8_500,
            ..healthy()
        };
        assert_eq!(judged(&RULE, stalled).unwrap().severity, Severity::Critical);
        let idle = crate::diagnosis::Evidence { send_queue: 0, unacked: 0, ..stalled };
        assert_eq!(judged(&RULE, idle), None);
        let slow = crate::diagnosis::Evidence { last_ack_recv_ms: 300, ..stalled };
        assert_eq!(judged(&RULE, slow), None);
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
