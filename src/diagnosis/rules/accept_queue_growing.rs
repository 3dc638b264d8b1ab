//! TD202: accept queue filling up.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, ListenerInput, Rule, RuleScope, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD202",
    name: "accept-queue-growing",
    title: "accept queue filling up",
    scope: RuleScope::Listener,
    meaning: "Connections come faster than the program accepts them: the accept queue is more than half full, or grows from look to look. When it is full, connections are turned away.",
    evidence: "the accept queue at the first and at the last look, against its room",
    guards: "A queue that is emptied again between looks is a burst, and left alone.",
    seen_from: "the server",
    other_side: "Nothing yet: clients wait a little longer for the first answer.",
    advice: &[Advice::by(
        "See whether it goes on, and who accepts.",
        "tcpdiag listeners --port {port} --processes --interval 1s",
    )],
    references: &["inet_csk_accept() in net/ipv4/inet_connection_sock.c"],
    explained_by: &["TD201"],
    limits: &[
        Limit::new("share", 0.5, "share", "of the queue's room"),
        Limit::new("more", 10.0, "connections", "than at the first look, where it grows steadily"),
    ],
    offers: &["port"],
    judge: Judge::Listener(judge),
};

/// Places in the list of limits.
const SHARE: usize = 0;
const MORE: usize = 1;

fn judge(case: &ListenerInput<'_>) -> Option<RuleMatch> {
    let listener = case.listener;
    let share = f64::from(listener.queue) / f64::from(listener.room().max(1));
    let grown = listener.queue.saturating_sub(listener.first_queue);
    // Two of three places are not a queue.
    let long = listener.queue >= 4 && grown > 0 && share >= case.limit(SHARE);
    let steadily = listener.rises * 2 >= listener.looks;
    if listener.looks < 2 || !(long || steadily && f64::from(grown) >= case.limit(MORE)) {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Warning, Confidence::Medium, share)
            .with(
                Measure::new("accept_queue", listener.queue.into(), "connections")
                    .over(f64::from(listener.room()) * case.limit(SHARE)),
            )
            .with(Measure::new("first_accept_queue", listener.first_queue.into(), "connections"))
            .with(Measure::new("accept_queue_max", listener.room().into(), "connections"))
            .saying("port", listener.example.local.port.to_string()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, listener, listening};

    #[test]
    fn more_than_half_and_more_than_before() {
        let context = context();
        assert!(listener(&RULE, &listening(10, 90, 128), &context).is_some());
        assert_eq!(listener(&RULE, &listening(90, 80, 128), &context), None);
        assert_eq!(listener(&RULE, &listening(1, 20, 128), &context), None);
    }
}
