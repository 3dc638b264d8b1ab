//! TD205: backlog cut down to net.core.somaxconn.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, ListenerInput, Rule, RuleScope, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD205",
    name: "backlog-capped",
    title: "backlog cut down to net.core.somaxconn",
    scope: RuleScope::Listener,
    meaning: "The listener's backlog is just net.core.somaxconn, and its queue is well used: the program may have asked for more, and the setting cut it down when it called listen().",
    evidence: "backlog against net.core.somaxconn; the largest accept queue seen",
    guards: "A program may have asked for just this; hence information, and only where the queue was half full at least.",
    seen_from: "the server",
    other_side: "Nothing.",
    advice: &[Advice::by(
        "Raise the setting and restart the program: listen() reads it once.",
        "sysctl -w net.core.somaxconn={more}",
    )],
    references: &["__sys_listen() in net/socket.c"],
    explained_by: &[],
    limits: &[Limit::new("share", 0.5, "share", "of the backlog in use at some look")],
    offers: &["more"],
    judge: Judge::Listener(judge),
};

/// Places in the list of limits.
const SHARE: usize = 0;

fn judge(case: &ListenerInput<'_>) -> Option<RuleMatch> {
    let listener = case.listener;
    let most = u32::try_from(case.context.settings.number("somaxconn")?).ok()?;
    let share = f64::from(listener.most_queued) / f64::from(listener.backlog.max(1));
    if listener.backlog != most || share < case.limit(SHARE) {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Info, Confidence::Medium, share)
            .with(Measure::new("backlog", listener.backlog.into(), "connections").over(most.into()))
            .with(Measure::new("accept_queue", listener.most_queued.into(), "connections"))
            .saying("more", most.saturating_mul(2).to_string()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, listener, listening};

    #[test]
    fn just_the_setting_and_in_use() {
        let context = context();
        let most = context.settings.number("somaxconn").unwrap() as u32;
        assert!(listener(&RULE, &listening(0, most, most), &context).is_some());
        assert_eq!(listener(&RULE, &listening(0, 0, most), &context), None);
        assert_eq!(listener(&RULE, &listening(0, most, most - 1), &context), None);
    }
}
