//! TD206: SYN cookies sent.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, ListenerInput, Rule, RuleScope, Severity};

limits! {
    least: 5.0, "events", "least number of cookies sent";
    share: 0.5, "share", "share of the backlog that is in SYN-RECV";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD206",
    name: "syn-cookies-in-use",
    title: "SYN cookies sent",
    scope: RuleScope::Listener,
    meaning: "The SYN queue was full and the kernel answered with SYN cookies. Such connections lose options (window scaling and SACK, unless timestamps are on). Either it is an attack, or the backlog is too small for the load.",
    evidence: "SyncookiesSent, TCPReqQFullDoCookies",
    guards: "No client is turned away, so it is never critical. With net.ipv4.tcp_syncookies = 2 cookies are always sent: the queue has to be full. The kernel counts cookies per host. A listener is reported if it is the only one and no filter leaves out others, or if many requests wait at it.",
    seen_from: "the server",
    other_side: "On clients: connections without window scaling (TD142).",
    advice: &[
        Advice::with_command(
            "See how many cookies are sent, and how many clients answer.",
            "tcpdiag stats syncookies",
        ),
        Advice::new(
            "The program asked for a backlog of {asked} in listen(): if it is load and not an attack, it may ask for up to net.core.somaxconn = {net.core.somaxconn}.",
        ),
        Advice::with_command(
            "The backlog of {capped} is the most that net.core.somaxconn allows: if it is load and not an attack, raise it and restart the program, because listen() reads it once.",
            "sysctl -w net.core.somaxconn={more}",
        ),
    ],
    references: &["RFC 4987 3.6", "tcp_syn_flood_action() in net/ipv4/tcp_input.c"],
    explained_by: &["TD201"],
    limits: Limits::LIST,
    placeholders: &["asked", "capped", "more"],
    judge: Judge::Listener(|input, limits| judge(input, &limits.syn_cookies)),
};

fn judge(input: &ListenerInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let (listener, host) = (input.listener, &input.context.host);
    let queue_was_full = host.growth("TcpExtTCPReqQFullDoCookies");
    let is_always_on = input.context.settings.number("tcp_syncookies") == Some(2);
    // With tcp_syncookies = 2 cookies are sent always (tcp_conn_request()).
    let all = host.growth("TcpExtSyncookiesSent").filter(|_| !is_always_on);
    let (counter, sent) = match queue_was_full {
        Some(sent) => ("TCPReqQFullDoCookies", sent as f64),
        None => ("SyncookiesSent", all? as f64),
    };
    if is_always_on && input.listener.requests < input.listener.backlog {
        return None;
    }
    let share = f64::from(listener.requests) / f64::from(listener.backlog.max(1));
    if sent < limits.least || !input.is_only_listener && share < limits.share {
        return None;
    }
    let answered = host.growth("TcpExtSyncookiesRecv");
    Some(
        RuleMatch::new(Severity::Warning, Confidence::High, sent)
            .with(Measure::new(counter, sent, "events").over(limits.least))
            .with_growth("SyncookiesRecv", answered)
            .with(Measure::new("syn_recv", listener.requests.into(), "requests"))
            .with_word(input.backlog_limit(), listener.backlog.to_string())
            .with_word("more", input.twice_the_backlog()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, host, listener, listening};
    use crate::settings::Values;

    #[test]
    fn only_a_listener_with_many_requests() {
        let mut context = context();
        context.host = host(&[("TcpExtTCPReqQFullDoCookies", 90)]);
        let mut waiting = listening(0, 0, 16);
        waiting.requests = 16;
        assert!(listener(&RULE, &waiting, &context).is_some());
        assert_eq!(listener(&RULE, &listening(0, 0, 16), &context), None);
        context.settings = Values::recorded("net.ipv4.tcp_syncookies 2\n");
        assert!(listener(&RULE, &waiting, &context).is_some(), "the queue is full");
        waiting.requests = 9;
        assert_eq!(listener(&RULE, &waiting, &context), None, "cookies are always sent");
        context.settings = Values::recorded("net.ipv4.tcp_syncookies 1\n");
        waiting.requests = 16;
        context.host = host(&[("TcpExtTCPReqQFullDoCookies", 1)]);
        assert_eq!(listener(&RULE, &waiting, &context), None);
    }
}
