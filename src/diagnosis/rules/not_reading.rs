//! TD131: not read at all: its window is closed.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};
use crate::diagnosis::sign::Sign;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD131",
    name: "not-reading",
    title: "not read at all: its window is closed",
    scope: RuleScope::Connection,
    meaning: "The receive buffer is full, the window advertised to the peer is zero, and in all the time the program read nothing: the peer cannot send.",
    evidence: "rcv_wnd 0 (Linux 6.2 and later) or rmem_alloc near rcvbuf, at how many looks; bytes read",
    guards: "A program that reads, however slowly, is TD132. Data that merely waits in a buffer with room is no closed window.",
    seen_from: "the receiver",
    other_side: "On the sender: TD130, its probe timer runs.",
    advice: &[
        Advice::by(
            "See what the program that holds it does.",
            "tcpdiag conns --local-port {local_port} --columns remote,recv_q,rcv_wnd,process --processes --sort -recv_q",
        ),
        Advice::new(
            "A program that will not read any more should close the connection; one that hangs shows where in /proc/PID/stack and by its debugger.",
        ),
    ],
    references: &["RFC 9293 3.8.6", "__tcp_select_window() in net/ipv4/tcp_output.c"],
    explained_by: &[],
    limits: &[
        Limit::new("share", 0.5, "share", "of the looks that found it closed"),
        Limit::new("least", 2.0, "looks", "that found it closed"),
    ],
    offers: &["local_port"],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const SHARE: usize = 0;
const LEAST: usize = 1;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let evidence = case.evidence;
    let share = evidence.share_of_looks(Sign::OwnFull);
    let closed = evidence.looks_at(Sign::OwnFull);
    let reads = evidence.bytes_read() > 0;
    if reads || share < case.limit(SHARE) || f64::from(closed) < case.limit(LEAST) {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Critical, Confidence::High, evidence.receive_queue as f64)
            .with(Measure::new("window_closed_looks", share, "share").over(case.limit(SHARE)))
            .with(Measure::new("recv_q", evidence.receive_queue as f64, "bytes"))
            .with(Measure::new("bytes_read", evidence.bytes_read() as f64, "bytes")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn full_and_unread() {
        let full = crate::diagnosis::Evidence {
            receive_queue: 300_000,
            first_receive_queue: 300_000,
            bytes_received: 0,
            ..healthy()
        };
        assert!(judged(&RULE, full.shows(Sign::OwnFull, 10)).is_some());
        assert_eq!(judged(&RULE, full), None);
        let read = crate::diagnosis::Evidence { bytes_received: 100_000, ..full };
        assert_eq!(judged(&RULE, read.shows(Sign::OwnFull, 10)), None);
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
