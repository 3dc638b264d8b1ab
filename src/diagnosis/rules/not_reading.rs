//! TD131: the program does not read, and the window is closed.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};
use crate::diagnosis::sign::Sign;

limits! {
    share: 0.5, "share", "share of the polls with the window closed";
    least: 2.0, "looks", "least number of polls with the window closed";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD131",
    name: "not-reading",
    title: "the program does not read, and the window is closed",
    scope: RuleScope::Connection,
    meaning: "The receive buffer is full, the window advertised to the peer is zero, and the program read nothing the whole time: the peer cannot send.",
    evidence: "polls with rcv_wnd 0 (Linux 6.2 and later) or rmem_alloc near rcvbuf; bytes read",
    guards: "A program that reads slowly is TD132. Unread data in a buffer with free space does not close the window.",
    seen_from: "the receiver",
    other_side: "On the sender: TD130; its probe timer runs.",
    advice: &[
        Advice::with_command(
            "See what the program that has the connection is doing.",
            "tcpdiag conns --local-port {local_port} --columns remote,recv_q,rcv_wnd,process --processes --sort -recv_q",
        ),
        Advice::new(
            "A program that limits its own rate may stop reading for many seconds on purpose. One that does not want more data should close the connection. For a program that hangs, /proc/PID/stack or a debugger shows where.",
        ),
    ],
    references: &["RFC 9293 3.8.6", "__tcp_select_window() in net/ipv4/tcp_output.c"],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &["local_port"],
    judge: Judge::Connection(|input, limits| judge(input, &limits.not_reading)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let share = evidence.share_of_polls(Sign::OwnWindowClosed);
    let closed = evidence.polls_with(Sign::OwnWindowClosed);
    let reads = evidence.bytes_read() > 0;
    if reads || share < limits.share || f64::from(closed) < limits.least {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Critical, Confidence::High, evidence.receive_queue as f64)
            .with(Measure::new("window_closed_looks", share, "share").over(limits.share))
            .with(Measure::new("recv_q", evidence.receive_queue as f64, "bytes"))
            .with(Measure::new("bytes_read", evidence.bytes_read() as f64, "bytes")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn closed_window_and_nothing_read() {
        let full = crate::diagnosis::Evidence {
            receive_queue: 300_000,
            first_receive_queue: 300_000,
            bytes_received: 0,
            ..healthy()
        };
        assert!(judged(&RULE, full.shows(Sign::OwnWindowClosed, 10)).is_some());
        assert_eq!(judged(&RULE, full), None);
        let read = crate::diagnosis::Evidence { bytes_received: 100_000, ..full };
        assert_eq!(judged(&RULE, read.shows(Sign::OwnWindowClosed, 10)), None);
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
