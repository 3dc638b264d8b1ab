//! TD206: SYN cookies sent.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, ListenerInput, Rule, RuleScope, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD206",
    name: "syn-cookies-in-use",
    title: "SYN cookies sent",
    scope: RuleScope::Listener,
    meaning: "The SYN queue was full and the kernel answered with SYN cookies: connections are made without a request, at the price of options (no window scaling and SACK unless timestamps are on). Either an attack, or a backlog too small for the load.",
    evidence: "SyncookiesSent, TCPReqQFullDoCookies",
    guards: "The kernel counts them per host: a listener is named where it is the only one with requests waiting.",
    seen_from: "the server",
    other_side: "On clients: connections without window scaling (TD142).",
    advice: &[
        Advice::by(
            "See from where requests come, and how many are answered.",
            "tcpdiag stats syncookies",
        ),
        Advice::by(
            "If it is load and no attack, a larger backlog helps: the program's own, up to net.core.somaxconn = {net.core.somaxconn}.",
            "tcpdiag listeners --port {port}",
        ),
    ],
    references: &["RFC 4987 3.6", "tcp_syn_flood_action() in net/ipv4/tcp_input.c"],
    explained_by: &["TD201"],
    limits: &[
        Limit::new("least", 5.0, "events", "cookies sent at least"),
        Limit::new("share", 0.5, "share", "of the backlog that waits in SYN-RECV"),
    ],
    offers: &["port"],
    judge: Judge::Listener(judge),
};

/// Places in the list of limits.
const LEAST: usize = 0;
const SHARE: usize = 1;

fn judge(case: &ListenerInput<'_>) -> Option<RuleMatch> {
    let (listener, host) = (case.listener, &case.context.host);
    let sent =
        host.grown("TcpExtTCPReqQFullDoCookies").or(host.grown("TcpExtSyncookiesSent"))? as f64;
    let share = f64::from(listener.requests) / f64::from(listener.backlog.max(1));
    if sent < case.limit(LEAST) || !case.alone && share < case.limit(SHARE) {
        return None;
    }
    let answered = host.grown("TcpExtSyncookiesRecv").unwrap_or(0);
    Some(
        RuleMatch::new(Severity::Warning, Confidence::High, sent)
            .with(Measure::new("SyncookiesSent", sent, "events").over(case.limit(LEAST)))
            .with(Measure::new("SyncookiesRecv", answered as f64, "events"))
            .with(Measure::new("syn_recv", listener.requests.into(), "requests"))
            .saying("port", listener.example.local.port.to_string()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, host, listener, listening};

    #[test]
    fn whose_they_are() {
        let mut context = context();
        context.host = host(&[("TcpExtTCPReqQFullDoCookies", 90)]);
        let mut waiting = listening(0, 0, 16);
        waiting.requests = 16;
        assert!(listener(&RULE, &waiting, &context).is_some());
        assert_eq!(listener(&RULE, &listening(0, 0, 16), &context), None);
        context.host = host(&[("TcpExtTCPReqQFullDoCookies", 1)]);
        assert_eq!(listener(&RULE, &waiting, &context), None);
    }
}
