//! TD133: closed with data unread.

use crate::diagnosis::evidence::Lifecycle;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};
use crate::model::Role;

limits! {
    least: 2.0, "bytes", "least number of unread bytes";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD133",
    name: "unread-at-close",
    title: "closed with data unread",
    scope: RuleScope::Connection,
    meaning: "The program closed a connection with data in its receive queue. The kernel then sends a reset instead of a FIN, and the peer may lose data that it had not read yet.",
    evidence: "recv_q in the destroy event; TCPAbortOnClose of the host",
    guards: "A peer that resets the connection leaves unread data too: the host has to count a close with unread data. An unread FIN counts as one byte and is ignored. Without destroy events (`--no-events`) this cannot be detected.",
    seen_from: "the side that closed",
    other_side: "On the peer read() fails with ECONNRESET.",
    advice: &[
        Advice::new(
            "The program should read to the end (read() returns 0) before it closes, or call shutdown() for writing first. The usual causes are a server that answers without reading the whole request, and one that is stopped or reloaded while requests wait.",
        )
        .only_with("server"),
        Advice::new(
            "A client that no longer wants an answer (a download that is cancelled, a timeout, a limit of size) closes in this way. Only what it sent last may be lost: if that matters, it should read to the end (read() returns 0) before it closes.",
        )
        .only_with("client"),
    ],
    references: &["RFC 2525 2.17", "RFC 9293 3.6", "__tcp_close() in net/ipv4/tcp.c"],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &["client", "server"],
    judge: Judge::Connection(|input, limits| judge(input, &limits.unread_at_close)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let unread = evidence.receive_queue as f64;
    if evidence.lifecycle != Lifecycle::Closed || unread < limits.least {
        return None;
    }
    // Without such a close on the whole host, the peer has reset the connection.
    let aborted = input.context.host.growth("TcpExtTCPAbortOnClose");
    if aborted == Some(0) {
        return None;
    }
    let confidence = if aborted.is_some() { Confidence::High } else { Confidence::Medium };
    Some(
        RuleMatch::new(Severity::Warning, confidence, unread)
            .with(Measure::new("recv_q", unread, "bytes").over(limits.least))
            .with_growth("TCPAbortOnClose", aborted)
            .with_word(if evidence.role == Role::Client { "client" } else { "server" }, ""),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, healthy, host, judged, judged_in};

    #[test]
    fn only_connections_that_ended() {
        let unread = |receive_queue, lifecycle| crate::diagnosis::Evidence {
            receive_queue,
            lifecycle,
            ..healthy()
        };
        assert!(judged(&RULE, unread(500, Lifecycle::Closed)).is_some());
        let mut context = context();
        context.host = host(&[("TcpExtTCPAbortOnClose", 0)]);
        assert_eq!(judged_in(&RULE, unread(500, Lifecycle::Closed), &context), None, "reset");
        let advised = |role| {
            let evidence = crate::diagnosis::Evidence { role, ..unread(500, Lifecycle::Closed) };
            judged(&RULE, evidence).unwrap().words
        };
        assert_eq!(advised(Role::Client), [("client", String::new())]);
        assert_eq!(advised(Role::Server), [("server", String::new())]);
        assert_eq!(judged(&RULE, unread(500, Lifecycle::Open)), None);
        assert_eq!(judged(&RULE, unread(500, Lifecycle::Vanished)), None);
        assert_eq!(judged(&RULE, unread(1, Lifecycle::Closed)), None);
        assert_eq!(judged(&RULE, unread(0, Lifecycle::Closed)), None);
    }
}
