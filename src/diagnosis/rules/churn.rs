//! TD304: many short connections.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleScope, ServiceInput, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD304",
    name: "churn",
    title: "many short connections",
    scope: RuleScope::Service,
    meaning: "Connections are opened and closed at a high rate, each for a few bytes: every one costs a handshake, a slow start, and on the side that closes first a minute of TIME-WAIT.",
    evidence: "connections opened and closed per second, and bytes of those that closed",
    guards: "Information only: servers of short requests live like this. What it can lead to are TD305 and TD306.",
    seen_from: "both sides",
    other_side: "The same rate.",
    advice: &[Advice::new(
        "Keep connections open and use them again (HTTP keep-alive, a pool), where both programs can.",
    )],
    references: &["RFC 9293 3.6.1"],
    explained_by: &["TD306"],
    limits: &[
        Limit::new("rate", 100.0, "per second", "closed at least"),
        Limit::new("bytes", 100_000.0, "bytes", "per connection at most"),
    ],
    offers: &[],
    judge: Judge::Service(judge),
};

/// Places in the list of limits.
const RATE: usize = 0;
const BYTES: usize = 1;

fn judge(case: &ServiceInput<'_>) -> Option<RuleMatch> {
    let group = case.group;
    let rate = group.closed.min(group.opened) as f64 / case.context.elapsed_s.max(1.0);
    let bytes = group.bytes_of_closed as f64 / (group.closed.max(1)) as f64;
    if rate < case.limit(RATE) || bytes > case.limit(BYTES) {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Info, Confidence::High, rate)
            .with(Measure::new("closed_rate", rate, "per second").over(case.limit(RATE)))
            .with(Measure::new("bytes_per_connection", bytes, "bytes"))
            .with(Measure::new("alive", group.alive as f64, "connections")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::groups::Group;
    use crate::diagnosis::testing::{context, service};

    #[test]
    fn many_and_short() {
        let of = |closed| Group {
            opened: closed,
            closed,
            bytes_of_closed: closed * 500,
            ..Group::default()
        };
        let context = context();
        assert_eq!(service(&RULE, &of(3_000), &context).unwrap().severity, Severity::Info);
        assert_eq!(service(&RULE, &of(500), &context), None);
    }
}
