//! TD133: closed with data unread.

use crate::diagnosis::evidence::Fate;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD133",
    name: "unread-at-close",
    title: "closed with data unread",
    scope: RuleScope::Connection,
    meaning: "The program closed a connection whose receive queue was not empty. The kernel then sends a reset instead of a FIN, and the peer may lose what it had not read yet.",
    evidence: "recv_q in the kernel's notice of the end; TCPAbortOnClose of the host",
    guards: "A FIN that was not read counts for one byte, and is none. Without the kernel's notices of deaths (`--no-events`) this cannot be seen.",
    seen_from: "the side that closed",
    other_side: "On the peer: read() ends with ECONNRESET.",
    advice: &[Advice::new(
        "The program should read until the end (0 from read()) before it closes, or shutdown() its writing side first. Servers that answer without reading the whole request are the usual cause.",
    )],
    references: &["RFC 2525 2.17", "RFC 9293 3.6", "__tcp_close() in net/ipv4/tcp.c"],
    explained_by: &[],
    limits: &[Limit::new("least", 2.0, "bytes", "unread at least")],
    offers: &[],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const LEAST: usize = 0;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let evidence = case.evidence;
    let unread = evidence.receive_queue as f64;
    if evidence.fate != Fate::Closed || unread < case.limit(LEAST) {
        return None;
    }
    let aborted = case.context.host.grown("TcpExtTCPAbortOnClose").unwrap_or(0);
    let confidence = if aborted > 0 { Confidence::High } else { Confidence::Medium };
    Some(
        RuleMatch::new(Severity::Warning, confidence, unread)
            .with(Measure::new("recv_q", unread, "bytes").over(case.limit(LEAST)))
            .with(Measure::new("TCPAbortOnClose", aborted as f64, "events")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn at_its_end_only() {
        let unread =
            |receive_queue, fate| crate::diagnosis::Evidence { receive_queue, fate, ..healthy() };
        assert!(judged(&RULE, unread(500, Fate::Closed)).is_some());
        assert_eq!(judged(&RULE, unread(500, Fate::Alive)), None);
        assert_eq!(judged(&RULE, unread(500, Fate::Vanished)), None);
        assert_eq!(judged(&RULE, unread(1, Fate::Closed)), None);
        assert_eq!(judged(&RULE, unread(0, Fate::Closed)), None);
    }
}
