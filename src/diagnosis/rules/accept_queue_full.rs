//! TD201: accept queue full: connections are turned away.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, ListenerInput, Rule, RuleScope, Severity,
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
        Advice::new(
            "The queue has room for {asked} connections, as the program's listen() asked; net.core.somaxconn = {net.core.somaxconn} would allow more. A longer queue only helps against bursts.",
        ),
        Advice::by(
            "The queue has room for {capped} connections, all that net.core.somaxconn allows: raise it and restart the program, which asks once. A longer queue only helps against bursts.",
            "sysctl -w net.core.somaxconn={more}",
        ),
    ],
    references: &["tcp_v4_syn_recv_sock() and tcp_conn_request() in net/ipv4", "listen(2)"],
    explained_by: &[],
    limits: &[Limit::new("looks", 2.0, "looks", "that found it full, where nothing was dropped")],
    offers: &["port", "asked", "capped", "more"],
    judge: Judge::Listener(judge),
};

/// Places in the list of limits.
const LOOKS: usize = 0;

fn judge(case: &ListenerInput<'_>) -> Option<RuleMatch> {
    let listener = case.listener;
    let dropped = listener.dropped().unwrap_or(0);
    let full = f64::from(listener.full);
    if listener.full == 0 || dropped == 0 && full < case.limit(LOOKS) {
        return None;
    }
    let overflows = case.context.host.grown("TcpExtListenOverflows").unwrap_or(0);
    let severity = if dropped > 0 { Severity::Critical } else { Severity::Warning };
    let most = case.context.settings.number("somaxconn").and_then(|most| u32::try_from(most).ok());
    let is_capped = most.is_some_and(|most| listener.backlog >= most);
    let room = if is_capped { "capped" } else { "asked" };
    Some(
        RuleMatch::new(severity, Confidence::High, dropped.into())
            .with(
                Measure::new("accept_queue", listener.most_queued.into(), "connections")
                    .over(listener.room().into()),
            )
            .with(Measure::new("full_looks", full, "looks"))
            .with(Measure::new("drops", dropped.into(), "segments"))
            .with(Measure::new("ListenOverflows", overflows as f64, "events"))
            .saying("port", listener.example.local.port.to_string())
            .saying(room, listener.room().to_string())
            .saying("more", listener.backlog.saturating_mul(2).to_string()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, listener, listening};

    #[test]
    fn a_setting_is_raised_where_it_is_the_limit() {
        let context = context();
        let most = context.settings.number("somaxconn").unwrap() as u32;
        for (backlog, word) in [(most, "capped"), (most - 1, "asked")] {
            let found = listener(&RULE, &listening(backlog + 1, backlog + 1, backlog), &context);
            let words = found.unwrap().words;
            assert!(words.iter().any(|(name, _)| *name == word), "{words:?}");
        }
    }

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
