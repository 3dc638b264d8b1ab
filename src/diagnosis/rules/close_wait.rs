//! TD152: closed by the peer, not by the program.

use crate::diagnosis::evidence::Fate;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};
use crate::model::State;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD152",
    name: "close-wait-leak",
    title: "closed by the peer, not by the program",
    scope: RuleScope::Connection,
    meaning: "The peer has closed long ago and the program still holds its end open (CLOSE-WAIT): it forgets to close. Each costs a descriptor and memory, and one day there are none left.",
    evidence: "CLOSE-WAIT at every look; the time since anything came from the peer; nothing sent meanwhile",
    guards: "A program may go on sending to a peer that has only shut its writing side down: one that sends is left alone. One that takes a moment to close is too.",
    seen_from: "the side that does not close",
    other_side: "On the peer: FIN-WAIT-2, or nothing any more.",
    advice: &[
        Advice::by(
            "See which program holds them: it is a fault of the program, not of the kernel, and no setting helps.",
            "tcpdiag conns --state close_wait --processes --columns local,remote,recv_q,last_ack_recv,process",
        ),
        Advice::new(
            "Look for a path in the program that does not close: an error path, a pool that does not notice, a handler that waits for something else. recv_q above 1 says that it did not even read the end.",
        ),
    ],
    references: &["RFC 9293 3.6", "tcp_fin() in net/ipv4/tcp_input.c"],
    explained_by: &[],
    limits: &[Limit::new("least", 4.0, "s", "since the peer closed")],
    offers: &[],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const LEAST: usize = 0;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let evidence = case.evidence;
    if evidence.state != State::CloseWait || evidence.fate != Fate::Alive || evidence.looks < 2 {
        return None;
    }
    // Nothing has come since the FIN: it was then, or before.
    let silent = evidence.last_ack_recv_ms as f64 / 1e3;
    let sends = evidence.data_segs_out > 0 || evidence.send_queue > 1;
    if sends || !evidence.held || silent < case.limit(LEAST) {
        return None;
    }
    let confidence = if silent >= 60.0 { Confidence::High } else { Confidence::Medium };
    Some(
        RuleMatch::new(Severity::Warning, confidence, silent)
            .with(Measure::new("since_peer_closed", silent, "s").over(case.limit(LEAST)))
            .with(Measure::new("recv_q", evidence.receive_queue as f64, "bytes")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn long_ago_and_silent() {
        let left = crate::diagnosis::Evidence {
            state: State::CloseWait,
            data_segs_out: 0,
            last_ack_recv_ms: 9_000,
            ..healthy()
        };
        assert_eq!(judged(&RULE, left).unwrap().confidence, Confidence::Medium);
        let old = crate::diagnosis::Evidence { last_ack_recv_ms: 90_000, ..left };
        assert_eq!(judged(&RULE, old).unwrap().confidence, Confidence::High);
        assert_eq!(judged(&RULE, crate::diagnosis::Evidence { data_segs_out: 9, ..left }), None);
        assert_eq!(
            judged(&RULE, crate::diagnosis::Evidence { last_ack_recv_ms: 900, ..left }),
            None
        );
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
