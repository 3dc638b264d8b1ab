//! TD201: accept queue full: connections are turned away.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, ListenerInput, Rule, RuleScope, Severity};

limits! {
    looks: 2.0, "looks", "polls with the queue full, if nothing was dropped";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD201",
    name: "accept-queue-full",
    title: "accept queue full: connections are turned away",
    scope: RuleScope::Listener,
    meaning: "The accept queue is full: connections that completed their handshake wait for the program to accept them, and further ones are dropped. Clients see connects that take seconds or time out.",
    evidence: "the accept queue against its capacity at every poll; sk_drops of the listener; ListenOverflows",
    guards: "A burst can fill the queue for a moment: without drops it has to be full at several polls (limit looks), and is a warning: clients wait, and nothing is lost yet.",
    seen_from: "the server",
    other_side: "On clients: repeated SYNs (TD153), or connections that look established and get no answer.",
    advice: &[
        Advice::with_command(
            "The program accepts too slowly: find out what it waits for, and whether all its workers accept.",
            "tcpdiag listeners --port {port} --processes --interval 1s",
        ),
        Advice::new(
            "The queue holds {asked} connections, as the program asked in listen(). net.core.somaxconn = {net.core.somaxconn} would allow more. A longer queue only helps against bursts.",
        ),
        Advice::with_command(
            "The queue holds {capped} connections, the most that net.core.somaxconn allows: raise it and restart the program, because listen() reads it once. A longer queue only helps against bursts.",
            "sysctl -w net.core.somaxconn={more}",
        ),
    ],
    references: &["tcp_v4_syn_recv_sock() and tcp_conn_request() in net/ipv4", "listen(2)"],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &["port", "asked", "capped", "more"],
    judge: Judge::Listener(|input, limits| judge(input, &limits.accept_queue_full)),
};

fn judge(input: &ListenerInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let listener = input.listener;
    let dropped = listener.dropped().unwrap_or(0);
    let full = f64::from(listener.full_polls);
    let overflows = input.context.host.growth("TcpExtListenOverflows");
    // `sk_drops` also counts what a filter or TCP-MD5 refused.
    let refused = dropped > 0 && overflows.is_none_or(|overflows| overflows > 0);
    if listener.full_polls == 0 || !refused && full < limits.looks {
        return None;
    }
    let severity = if refused { Severity::Critical } else { Severity::Warning };
    Some(
        RuleMatch::new(severity, Confidence::High, dropped.into())
            .with(
                Measure::new("accept_queue", listener.most_queued.into(), "connections")
                    .over(listener.capacity().into()),
            )
            .with(Measure::new("full_looks", full, "looks"))
            .with(Measure::new("drops", dropped.into(), "segments"))
            .with_growth("ListenOverflows", overflows)
            .with_word("port", listener.example.local.port.to_string())
            .with_word(input.backlog_limit(), listener.capacity().to_string())
            .with_word("more", input.twice_the_backlog()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, host, listener, listening};

    #[test]
    fn advice_raises_the_setting_only_if_it_is_the_limit() {
        let context = context();
        let most = context.settings.number("somaxconn").unwrap() as u32;
        for (backlog, word) in [(most, "capped"), (most - 1, "asked")] {
            let found = listener(&RULE, &listening(backlog + 1, backlog + 1, backlog), &context);
            let words = found.unwrap().words;
            assert!(words.iter().any(|(name, _)| *name == word), "{words:?}");
        }
    }

    #[test]
    fn drops_make_a_full_queue_critical() {
        let full = listening(129, 129, 128);
        let mut dropping = full.clone();
        dropping.set_dropped(12);
        let context = context();
        assert_eq!(listener(&RULE, &dropping, &context).unwrap().severity, Severity::Critical);
        let mut quiet = crate::diagnosis::testing::context();
        quiet.host = host(&[("TcpExtListenOverflows", 0)]);
        assert_eq!(listener(&RULE, &dropping, &quiet).unwrap().severity, Severity::Warning);
        assert_eq!(listener(&RULE, &full, &context).unwrap().severity, Severity::Warning);
        assert_eq!(listener(&RULE, &listening(100, 100, 128), &context), None);
    }
}
