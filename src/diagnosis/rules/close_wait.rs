//! TD152: closed by the peer, not by the program.

use crate::diagnosis::evidence::Lifecycle;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};
use crate::model::State;

limits! {
    least: 4.0, "s", "seconds since the peer closed";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD152",
    name: "close-wait-leak",
    title: "closed by the peer, not by the program",
    scope: RuleScope::Connection,
    meaning: "The peer has closed, and the program still keeps its end open (CLOSE-WAIT): it does not close the connection. Each such connection costs a descriptor and memory, until there are none left.",
    evidence: "CLOSE-WAIT; the time since anything arrived from the peer; nothing sent meanwhile",
    guards: "A program may go on sending to a peer that has only shut down its writing side, so connections that send are left alone. A program may also take a moment to close: in the first minute the confidence is medium.",
    seen_from: "the side that does not close",
    other_side: "On the peer: FIN-WAIT-2, or no such connection.",
    advice: &[
        Advice::with_command(
            "Find the program that has them. It is a bug in the program: no kernel setting helps.",
            "tcpdiag conns --state close_wait --processes --columns local,remote,recv_q,last_ack_recv,process",
        ),
        Advice::new(
            "Look for code that does not close the connection: an error path, a pool that does not notice, a handler that waits for something else. recv_q above 1 means that the program has not even read the end.",
        ),
    ],
    references: &["RFC 9293 3.6", "tcp_fin() in net/ipv4/tcp_input.c"],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &[],
    judge: Judge::Connection(|input, limits| judge(input, &limits.close_wait)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    if evidence.state != State::CloseWait
        || evidence.lifecycle != Lifecycle::Open
        || evidence.polls < 2
    {
        return None;
    }
    // Nothing arrived since the FIN, so the peer closed at that time or before.
    let silent = evidence.silent_s();
    let sends = evidence.data_segs_out > 0 || evidence.send_queue > 1;
    if sends || !evidence.has_inode || silent < limits.least {
        return None;
    }
    let confidence = if silent >= 60.0 { Confidence::High } else { Confidence::Medium };
    Some(
        RuleMatch::new(Severity::Warning, confidence, silent)
            .with(Measure::new("since_peer_closed", silent, "s").over(limits.least))
            .with(Measure::new("recv_q", evidence.receive_queue as f64, "bytes")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn closed_long_ago_and_silent() {
        let left = crate::diagnosis::Evidence {
            state: State::CloseWait,
            data_segs_out: 0,
            last_ack_recv_ms: Some(9_000),
            ..healthy()
        };
        assert_eq!(judged(&RULE, left).unwrap().confidence, Confidence::Medium);
        let old = crate::diagnosis::Evidence { last_ack_recv_ms: Some(90_000), ..left };
        assert_eq!(judged(&RULE, old).unwrap().confidence, Confidence::High);
        assert_eq!(judged(&RULE, crate::diagnosis::Evidence { data_segs_out: 9, ..left }), None);
        assert_eq!(
            judged(&RULE, crate::diagnosis::Evidence { last_ack_recv_ms: Some(900), ..left }),
            None
        );
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
