//! TD203: segments dropped at the listener.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, ListenerInput, Rule, RuleScope, Severity};

limits! {
    least: 5.0, "segments", "least number of dropped segments";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD203",
    name: "listener-drops",
    title: "segments dropped at the listener",
    scope: RuleScope::Listener,
    meaning: "The listener dropped SYNs or the last acknowledgements of handshakes, because a queue, memory or a route was missing. Clients try again after one, three and seven seconds.",
    evidence: "growth of sk_drops of the listener; ListenDrops",
    guards: "If a full queue was seen, that is the finding (TD201, TD204). A few stray segments are ignored.",
    seen_from: "the server",
    other_side: "On clients: handshakes that take a second or more.",
    advice: &[Advice::with_command(
        "Find the cause: ListenOverflows counts the accept queue, TCPReqQFullDrop the SYN queue. The rest is memory, a missing route or a filter.",
        "tcpdiag stats listen syncookies",
    )],
    references: &["tcp_listendrop() in include/net/tcp.h"],
    explained_by: &["TD201", "TD204", "TD205"],
    limits: Limits::LIST,
    placeholders: &[],
    judge: Judge::Listener(|input, limits| judge(input, &limits.listener_drops)),
};

fn judge(input: &ListenerInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let dropped = f64::from(input.listener.dropped()?);
    if dropped < limits.least {
        return None;
    }
    let listen_drops = input.context.host.growth("TcpExtListenDrops").unwrap_or(0);
    // ListenDrops counts SYNs and ACKs only; sk_drops counts every segment that is discarded.
    if listen_drops == 0 {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Warning, Confidence::High, dropped)
            .with(Measure::new("drops", dropped, "segments").over(limits.least))
            .with(Measure::new("ListenDrops", listen_drops as f64, "events")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, host, listener, listening};

    #[test]
    fn only_drops_that_the_host_counts_too() {
        let mut dropping = listening(0, 0, 128);
        dropping.set_dropped(40);
        let mut context = context();
        assert_eq!(listener(&RULE, &dropping, &context), None);
        context.host = host(&[("TcpExtListenDrops", 40)]);
        assert!(listener(&RULE, &dropping, &context).is_some());
        assert_eq!(listener(&RULE, &listening(0, 0, 128), &context), None);
    }
}
