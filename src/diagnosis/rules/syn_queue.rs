//! TD204: SYN queue full.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, ListenerInput, Rule, RuleScope, Severity};

limits! {
    share: 0.75, "share", "share of the backlog that is in SYN-RECV";
    least: 8.0, "requests", "least number of requests";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD204",
    name: "syn-queue",
    title: "SYN queue full",
    scope: RuleScope::Listener,
    meaning: "Requests with an incomplete handshake fill the listener's SYN queue: the clients are far away or gone, it is an attack, or last acknowledgements are lost. Further requests are dropped, or answered with SYN cookies.",
    evidence: "requests in SYN-RECV at every poll against the queue's capacity; TCPReqQFullDrop",
    guards: "While the accept queue is full, requests wait because of it (TD201). If SYN cookies are sent, it is TD206.",
    seen_from: "the server",
    other_side: "On clients: repeated SYNs (TD153).",
    advice: &[
        Advice::with_command(
            "See where the requests come from.",
            "tcpdiag conns --state syn_recv --local-port {port}",
        ),
        Advice::with_command(
            "The queue holds as many requests as the backlog ({backlog}). Without SYN cookies (net.ipv4.tcp_syncookies = {net.ipv4.tcp_syncookies}) net.ipv4.tcp_max_syn_backlog = {net.ipv4.tcp_max_syn_backlog} limits it too.",
            "sysctl -w net.ipv4.tcp_syncookies=1 net.ipv4.tcp_max_syn_backlog=8192",
        ),
    ],
    references: &["RFC 4987", "tcp_conn_request() in net/ipv4/tcp_input.c"],
    explained_by: &["TD201", "TD206"],
    limits: Limits::LIST,
    placeholders: &["port", "backlog"],
    judge: Judge::Listener(|input, limits| judge(input, &limits.syn_queue)),
};

fn judge(input: &ListenerInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let listener = input.listener;
    let dropped = input.context.host.growth("TcpExtTCPReqQFullDrop");
    let requests = f64::from(listener.requests);
    let share = requests / f64::from(listener.backlog.max(1));
    let drops = dropped.is_some_and(|events| events > 0)
        && (listener.dropped().unwrap_or(0) > 0 && requests > 0.0 || input.is_only_listener);
    if !drops && (share < limits.share || requests < limits.least) {
        return None;
    }
    let severity = if drops { Severity::Critical } else { Severity::Warning };
    Some(
        RuleMatch::new(severity, Confidence::High, requests)
            .with(
                Measure::new("syn_recv", requests, "requests")
                    .over(f64::from(listener.backlog) * limits.share),
            )
            .with_growth("TCPReqQFullDrop", dropped)
            .with_word("port", listener.example.local.port.to_string())
            .with_word("backlog", listener.backlog.to_string()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, host, listener, listening};

    #[test]
    fn many_requests_or_drops() {
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
