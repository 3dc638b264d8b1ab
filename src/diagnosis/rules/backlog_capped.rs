//! TD205: backlog limited by net.core.somaxconn.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, ListenerInput, Rule, RuleScope, Severity};

limits! {
    share: 0.5, "share", "share of the backlog in use at some poll";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD205",
    name: "backlog-capped",
    title: "backlog limited by net.core.somaxconn",
    scope: RuleScope::Listener,
    meaning: "The listener's backlog equals net.core.somaxconn, and its queue is well used. The program may have asked for more, and the setting limited it in listen().",
    evidence: "backlog against net.core.somaxconn; the largest accept queue seen",
    guards: "The program may have asked for exactly this value. It is therefore only information, as nothing is lost, and only if the queue was well used (limit share).",
    seen_from: "the server",
    other_side: "Nothing.",
    advice: &[Advice::with_command(
        "Raise the setting and restart the program: listen() reads it once.",
        "sysctl -w net.core.somaxconn={more}",
    )],
    references: &["__sys_listen() in net/socket.c"],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &["more"],
    judge: Judge::Listener(|input, limits| judge(input, &limits.backlog_capped)),
};

fn judge(input: &ListenerInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let listener = input.listener;
    let most = u32::try_from(input.context.settings.number("somaxconn")?).ok()?;
    let share = f64::from(listener.most_queued) / f64::from(listener.backlog.max(1));
    if listener.backlog != most || share < limits.share {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Info, Confidence::Medium, share)
            .with(Measure::new("backlog", listener.backlog.into(), "connections").over(most.into()))
            .with(Measure::new("accept_queue", listener.most_queued.into(), "connections"))
            .with_word("more", most.saturating_mul(2).to_string()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, listener, listening};

    #[test]
    fn backlog_equals_the_setting_and_is_used() {
        let context = context();
        let most = context.settings.number("somaxconn").unwrap() as u32;
        assert!(listener(&RULE, &listening(0, most, most), &context).is_some());
        assert_eq!(listener(&RULE, &listening(0, 0, most), &context), None);
        assert_eq!(listener(&RULE, &listening(0, most, most - 1), &context), None);
    }
}
