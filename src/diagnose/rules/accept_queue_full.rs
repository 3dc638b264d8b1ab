//! TD201: accept queue full: connections are turned away.

use crate::diagnose::finding::{Measure, Sighting};
use crate::diagnose::rule::{
    Advice, Confidence, Judge, Limit, ListenerCase, Rule, RuleScope, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD201",
    name: "accept-queue-full",
    title: "accept queue full: connections are turned away",
    scope: RuleScope::Listener,
    meaning: "The accept queue is full: connections that completed their handshake wait for the program to accept them, and further ones are dropped. Clients see connects that take seconds or time out.",
    evidence: "the accept queue against its room at every look; sk_drops of the listener; ListenOverflows",
    guards: "A queue may be full for a moment in a burst: without drops it has to be full at two looks.",
    seen_from: "the server",
    other_side: "On clients: SYN-SENT that repeats (TD153), or connections that look established and get no answer.",
    advice: &[
        Advice::by(
            "The program accepts too slowly: see what holds it, and whether all its workers accept.",
            "tcpdiag listeners --port {port} --processes --interval 1s",
        ),
        Advice::by(
            "The queue has room for {room} connections: the program's listen() asked for it, and net.core.somaxconn = {net.core.somaxconn} caps it. A larger one only helps against bursts.",
            "sysctl -w net.core.somaxconn={more}",
        ),
    ],
    references: &["tcp_v4_syn_recv_sock() and tcp_conn_request() in net/ipv4", "listen(2)"],
    explained_by: &[],
    limits: &[Limit::new("looks", 2.0, "looks", "that found it full, where nothing was dropped")],
    offers: &["port", "room", "more"],
    judge: Judge::Listener(judge),
};

/// Places in the list of limits.
const LOOKS: usize = 0;

fn judge(case: &ListenerCase<'_>) -> Option<Sighting> {
    let listener = case.listener;
    let dropped = listener.dropped().unwrap_or(0);
    let full = f64::from(listener.full);
    if listener.full == 0 || dropped == 0 && full < case.limit(LOOKS) {
        return None;
    }
    let overflows = case.context.host.grown("TcpExtListenOverflows").unwrap_or(0);
    let severity = if dropped > 0 { Severity::Critical } else { Severity::Warning };
    Some(
        Sighting::new(severity, Confidence::High, dropped.into())
            .with(
                Measure::new("accept_queue", listener.most_queued.into(), "connections")
                    .over(listener.room().into()),
            )
            .with(Measure::new("full_looks", full, "looks"))
            .with(Measure::new("drops", dropped.into(), "segments"))
            .with(Measure::new("ListenOverflows", overflows as f64, "events"))
            .saying("port", listener.example.local.port.to_string())
            .saying("room", listener.room().to_string())
            .saying("more", (listener.backlog.max(2048) * 2).to_string()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::testing::{context, listener, listening};

    #[test]
    fn full_and_dropping() {
        let full = listening(129, 129, 128);
        let mut dropping = full.clone();
        dropping.set_dropped(12);
        let context = context();
        assert_eq!(listener(&RULE, &dropping, &context).unwrap().severity, Severity::Critical);
        assert_eq!(listener(&RULE, &full, &context).unwrap().severity, Severity::Warning);
        assert_eq!(listener(&RULE, &listening(100, 100, 128), &context), None);
    }
}
