//! TD203: segments dropped at the listener.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, ListenerInput, Rule, RuleScope, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD203",
    name: "listener-drops",
    title: "segments dropped at the listener",
    scope: RuleScope::Listener,
    meaning: "The listener dropped segments: SYNs or the last acknowledgements of handshakes, for want of room, memory or a route. Clients try again after one second, three, seven.",
    evidence: "growth of sk_drops of the listener; ListenDrops",
    guards: "Where a full queue was seen that is the finding (TD201, TD204). A handful of stray segments are no finding.",
    seen_from: "the server",
    other_side: "On clients: handshakes that take a second and more.",
    advice: &[Advice::by(
        "Tell the stages apart: ListenOverflows is the accept queue, TCPReqQFullDrop the SYN queue; what is left is memory, a missing route or a filter.",
        "tcpdiag stats listen syncookies",
    )],
    references: &["tcp_listendrop() in include/net/tcp.h"],
    explained_by: &["TD201", "TD204", "TD205"],
    limits: &[Limit::new("least", 5.0, "segments", "dropped at least")],
    offers: &[],
    judge: Judge::Listener(judge),
};

/// Places in the list of limits.
const LEAST: usize = 0;

fn judge(case: &ListenerInput<'_>) -> Option<RuleMatch> {
    let dropped = f64::from(case.listener.dropped()?);
    if dropped < case.limit(LEAST) {
        return None;
    }
    let told = case.context.host.grown("TcpExtListenDrops").unwrap_or(0);
    // The host counts SYNs and ACKs only; the socket counts whatever it discards.
    if told == 0 {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Warning, Confidence::High, dropped)
            .with(Measure::new("drops", dropped, "segments").over(case.limit(LEAST)))
            .with(Measure::new("ListenDrops", told as f64, "events")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, host, listener, listening};

    #[test]
    fn what_the_host_counts_too() {
        let mut dropping = listening(0, 0, 128);
        dropping.set_dropped(40);
        let mut context = context();
        assert_eq!(listener(&RULE, &dropping, &context), None);
        context.host = host(&[("TcpExtListenDrops", 40)]);
        assert!(listener(&RULE, &dropping, &context).is_some());
        assert_eq!(listener(&RULE, &listening(0, 0, 128), &context), None);
    }
}
