//! TD202: accept queue is filling.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, ListenerInput, Rule, RuleScope, Severity};

limits! {
    share: 0.5, "share", "share of the queue's capacity";
    more: 10.0, "connections", "connections more than at the first poll, if the queue grows steadily";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD202",
    name: "accept-queue-growing",
    title: "accept queue is filling",
    scope: RuleScope::Listener,
    meaning: "Connections arrive faster than the program accepts them: the accept queue is filling up, or grows from poll to poll. When it is full, connections are turned away.",
    evidence: "the accept queue at the first and at the last poll, against its capacity",
    guards: "It is a warning although nothing is lost yet: clients already wait, and are turned away soon. A queue that is emptied between polls is a burst and is left alone.",
    seen_from: "the server",
    other_side: "Nothing yet: clients wait a little longer for the first answer.",
    advice: &[Advice::with_command(
        "See whether it continues, and which processes accept.",
        "tcpdiag listeners --port {port} --processes --interval 1s",
    )],
    references: &["inet_csk_accept() in net/ipv4/inet_connection_sock.c"],
    explained_by: &["TD201"],
    limits: Limits::LIST,
    placeholders: &["port"],
    judge: Judge::Listener(|input, limits| judge(input, &limits.accept_queue_growing)),
};

fn judge(input: &ListenerInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let listener = input.listener;
    let share = f64::from(listener.queue) / f64::from(listener.capacity().max(1));
    let grown = listener.queue.saturating_sub(listener.first_queue);
    // Short queues are left alone, even if their capacity is small.
    let long = listener.queue >= 4 && grown > 0 && share >= limits.share;
    let steadily = listener.rises * 2 >= listener.polls;
    if listener.polls < 2 || !(long || steadily && f64::from(grown) >= limits.more) {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Warning, Confidence::Medium, share)
            .with(
                Measure::new("accept_queue", listener.queue.into(), "connections")
                    .over(f64::from(listener.capacity()) * limits.share),
            )
            .with(Measure::new("first_accept_queue", listener.first_queue.into(), "connections"))
            .with(Measure::new("accept_queue_max", listener.capacity().into(), "connections"))
            .with_word("port", listener.example.local.port.to_string()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, listener, listening};

    #[test]
    fn more_than_half_full_and_growing() {
        let context = context();
        assert!(listener(&RULE, &listening(10, 90, 128), &context).is_some());
        assert_eq!(listener(&RULE, &listening(90, 80, 128), &context), None);
        assert_eq!(listener(&RULE, &listening(1, 20, 128), &context), None);
    }
}
