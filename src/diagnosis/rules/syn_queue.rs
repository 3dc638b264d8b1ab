//! TD204: SYN queue full.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, ListenerInput, Rule, RuleScope, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD204",
    name: "syn-queue",
    title: "SYN queue full",
    scope: RuleScope::Listener,
    meaning: "Requests whose handshake is not complete fill the listener's SYN queue: clients that are far away or gone, an attack, or last acknowledgements that are lost. What comes beyond is dropped, or answered by SYN cookies.",
    evidence: "requests in SYN-RECV at the looks against the queue's room; TCPReqQFullDrop",
    guards: "While the accept queue is full, requests wait for it and are its consequence (TD201). With SYN cookies sent it is TD206.",
    seen_from: "the server",
    other_side: "On clients: SYN-SENT that repeats (TD153).",
    advice: &[
        Advice::by(
            "See from where they come.",
            "tcpdiag conns --state syn_recv --local-port {port}",
        ),
        Advice::by(
            "The queue takes as many as the backlog ({backlog}), and net.ipv4.tcp_max_syn_backlog = {net.ipv4.tcp_max_syn_backlog} where SYN cookies are off (net.ipv4.tcp_syncookies = {net.ipv4.tcp_syncookies}).",
            "sysctl -w net.ipv4.tcp_syncookies=1 net.ipv4.tcp_max_syn_backlog=8192",
        ),
    ],
    references: &["RFC 4987", "tcp_conn_request() in net/ipv4/tcp_input.c"],
    explained_by: &["TD201", "TD206"],
    limits: &[
        Limit::new("share", 0.75, "share", "of the backlog that waits in SYN-RECV"),
        Limit::new("least", 8.0, "requests", "at least"),
    ],
    offers: &["port", "backlog"],
    judge: Judge::Listener(judge),
};

/// Places in the list of limits.
const SHARE: usize = 0;
const LEAST: usize = 1;

fn judge(case: &ListenerInput<'_>) -> Option<RuleMatch> {
    let listener = case.listener;
    let dropped = case.context.host.grown("TcpExtTCPReqQFullDrop").unwrap_or(0);
    let requests = f64::from(listener.requests);
    let share = requests / f64::from(listener.backlog.max(1));
    let drops = dropped > 0 && (listener.dropped().unwrap_or(0) > 0 || case.alone);
    if !drops && (share < case.limit(SHARE) || requests < case.limit(LEAST)) {
        return None;
    }
    let severity = if drops { Severity::Critical } else { Severity::Warning };
    Some(
        RuleMatch::new(severity, Confidence::High, requests)
            .with(
                Measure::new("syn_recv", requests, "requests")
                    .over(f64::from(listener.backlog) * case.limit(SHARE)),
            )
            .with(Measure::new("TCPReqQFullDrop", dropped as f64, "events"))
            .saying("port", listener.example.local.port.to_string())
            .saying("backlog", listener.backlog.to_string()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, host, listener, listening};

    #[test]
    fn waiting_or_dropped() {
        let mut context = context();
        let mut waiting = listening(0, 0, 128);
        assert_eq!(listener(&RULE, &waiting, &context), None);
        waiting.requests = 120;
        assert_eq!(listener(&RULE, &waiting, &context).unwrap().severity, Severity::Warning);
        waiting.requests = 5;
        assert_eq!(listener(&RULE, &waiting, &context), None);
        context.host = host(&[("TcpExtTCPReqQFullDrop", 9)]);
        waiting.set_dropped(9);
        assert_eq!(listener(&RULE, &waiting, &context).unwrap().severity, Severity::Critical);
    }
}
