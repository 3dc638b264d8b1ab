//! TD105: limited by its pacing rate.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};

limits! {
    share: 0.8, "share", "share of the configured rate";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD105",
    name: "pacing",
    title: "limited by its pacing rate",
    scope: RuleScope::Connection,
    meaning: "The program limits its own rate (SO_MAX_PACING_RATE), and sends at that rate.",
    evidence: "bytes acknowledged per second against max_pacing_rate",
    guards: "It is information: the program chose the limit. The rule applies only if the program set a limit: the kernel's own pacing follows the congestion window.",
    seen_from: "the sender",
    other_side: "The receiver sees a steady rate.",
    advice: &[Advice::new(
        "If a higher rate is wanted, change the program's SO_MAX_PACING_RATE of {limit} bytes per second.",
    )],
    references: &["tcp_update_pacing_rate() in net/ipv4/tcp_input.c"],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &["limit"],
    judge: Judge::Connection(|input, limits| judge(input, &limits.pacing)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let limit = evidence.max_pacing_rate? as f64;
    let share = evidence.rate() / limit.max(1.0);
    // In a shorter time a first burst would dominate.
    if share < limits.share || evidence.watched_s < 1.0 {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Info, Confidence::High, share)
            .with(Measure::new("rate", evidence.rate(), "B/s").over(limit * limits.share))
            .with(Measure::new("max_pacing_rate", limit, "B/s"))
            .with_word("limit", format!("{limit:.0}")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn rate_near_the_configured_one() {
        let paced = |rate| crate::diagnosis::Evidence { max_pacing_rate: Some(rate), ..healthy() };
        assert!(judged(&RULE, paced(1_000_000)).is_some());
        assert_eq!(judged(&RULE, paced(10_000_000)), None);
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
