//! TD304: many short connections.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleScope, ServiceInput, Severity};

limits! {
    rate: 100.0, "per second", "least number of connections closed per second";
    bytes: 100_000.0, "bytes", "most bytes per connection";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD304",
    name: "churn",
    title: "many short connections",
    scope: RuleScope::Service,
    meaning: "Connections are opened and closed at a high rate, each for a few bytes. Each one costs a handshake, a slow start, and a minute of TIME-WAIT on the side that closes first.",
    evidence: "connections opened and closed per second, and the bytes of those that closed",
    guards: "Information only, whatever the rate: this is normal for servers of short requests. Possible consequences are TD305 and TD306.",
    seen_from: "both sides",
    other_side: "The same rate.",
    advice: &[Advice::new(
        "Keep connections open and reuse them (HTTP keep-alive, a pool), if both programs can.",
    )],
    references: &["RFC 9293 3.6.1"],
    explained_by: &["TD306"],
    limits: Limits::LIST,
    placeholders: &[],
    judge: Judge::Service(|input, limits| judge(input, &limits.churn)),
};

fn judge(input: &ServiceInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let group = input.group;
    let rate = group.closed.min(group.opened) as f64 / input.context.elapsed_s.max(1.0);
    let bytes = group.bytes_of_closed as f64 / (group.closed.max(1)) as f64;
    if rate < limits.rate || bytes > limits.bytes {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Info, Confidence::High, rate)
            .with(Measure::new("closed_rate", rate, "per second").over(limits.rate))
            .with(Measure::new("bytes_per_connection", bytes, "bytes"))
            .with(Measure::new("alive", group.open as f64, "connections")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::groups::Group;
    use crate::diagnosis::testing::{context, service};

    #[test]
    fn many_short_connections_match() {
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
