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
    guards: "It is critical when requests were dropped. Before, it is a warning: the next clients are dropped, or lose options to SYN cookies. While the accept queue is full, requests wait because of it (TD201). If SYN cookies are sent, it is TD206.",
    seen_from: "the server",
    other_side: "On clients: repeated SYNs (TD153).",
    advice: &[
        Advice::with_command(
            "See where the requests come from.",
            "tcpdiag conns --state syn_recv --local-port {port}",
        ),
        Advice::with_command(
            "SYN cookies are off (net.ipv4.tcp_syncookies = 0): with them a full queue refuses nobody.",
            "sysctl -w net.ipv4.tcp_syncookies=1",
        )
        .only_with("without_cookies"),
        Advice::with_command(
            "Without SYN cookies the queue holds no more than three quarters of net.ipv4.tcp_max_syn_backlog = {net.ipv4.tcp_max_syn_backlog}, less than the backlog.",
            "sysctl -w net.ipv4.tcp_max_syn_backlog={syn_backlog}",
        ),
        Advice::new(
            "The program asked for a backlog of {asked} in listen(): if it is load and not an attack, it may ask for up to net.core.somaxconn = {net.core.somaxconn}.",
        ),
        Advice::with_command(
            "The backlog of {capped} is the most that net.core.somaxconn allows: if it is load and not an attack, raise it and restart the program, because listen() reads it once.",
            "sysctl -w net.core.somaxconn={more}",
        ),
    ],
    references: &["RFC 4987", "tcp_conn_request() in net/ipv4/tcp_input.c"],
    explained_by: &["TD201", "TD206"],
    limits: Limits::LIST,
    placeholders: &["port", "without_cookies", "syn_backlog", "asked", "capped", "more"],
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
    let mut rule_match = RuleMatch::new(severity, Confidence::High, requests)
        .with(
            Measure::new("syn_recv", requests, "requests")
                .over(f64::from(listener.backlog) * limits.share),
        )
        .with_growth("TCPReqQFullDrop", dropped)
        .with_word("port", listener.example.local.port.to_string());
    let settings = &input.context.settings;
    if settings.number("tcp_syncookies") == Some(0) {
        rule_match = rule_match.with_word("without_cookies", "");
        // The last quarter is for hosts that are known (tcp_conn_request()).
        let most = settings.number("tcp_max_syn_backlog");
        let needed = i64::from(listener.backlog) * 4 / 3 + 1;
        if most.is_some_and(|most| most < needed) {
            return Some(rule_match.with_word("syn_backlog", needed.to_string()));
        }
    }
    Some(
        rule_match
            .with_word(input.backlog_limit(), listener.backlog.to_string())
            .with_word("more", input.twice_the_backlog()),
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
        for (cookies, backlog, word) in
            [("1", "64", "asked"), ("0", "4096", "without_cookies"), ("0", "64", "syn_backlog")]
        {
            let values = [
                ("tcp_syncookies", cookies),
                ("tcp_max_syn_backlog", backlog),
                ("somaxconn", "4096"),
            ];
            context.settings = crate::settings::Values::of(&values);
            let words = listener(&RULE, &waiting, &context).unwrap().words;
            assert!(words.iter().any(|(name, _)| *name == word), "{word}: {words:?}");
            let syn_backlog = words.iter().find(|(name, _)| *name == "syn_backlog");
            assert_eq!(
                syn_backlog.map(|(_, it)| it.as_str()),
                (word == "syn_backlog").then_some("171")
            );
        }
        context = crate::diagnosis::testing::context();
        waiting.requests = 5;
        assert_eq!(listener(&RULE, &waiting, &context), None);
        context.host = host(&[("TcpExtTCPReqQFullDrop", 9)]);
        waiting.set_dropped(9);
        assert_eq!(listener(&RULE, &waiting, &context).unwrap().severity, Severity::Critical);
    }
}
