//! TD105: as fast as its pacing rate allows.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD105",
    name: "pacing",
    title: "as fast as its pacing rate allows",
    scope: RuleScope::Connection,
    meaning: "The program set a limit on its rate (SO_MAX_PACING_RATE), and sends that fast.",
    evidence: "bytes acknowledged per second against max_pacing_rate",
    guards: "Without a limit set by the program there is nothing to be limited by: the kernel's own pacing follows the congestion window.",
    seen_from: "the sender",
    other_side: "The receiver sees a steady rate and nothing else.",
    advice: &[Advice::new(
        "If the rate is not what is wanted, the program's SO_MAX_PACING_RATE of {limit} bytes per second is what to change.",
    )],
    references: &["tcp_update_pacing_rate() in net/ipv4/tcp_input.c"],
    explained_by: &[],
    limits: &[Limit::new("share", 0.8, "share", "of the rate that was set")],
    offers: &["limit"],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const SHARE: usize = 0;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let evidence = case.evidence;
    let limit = evidence.max_pacing_rate? as f64;
    let share = evidence.rate() / limit.max(1.0);
    // Over so short a time a first burst would decide.
    if share < case.limit(SHARE) || evidence.watched_s < 1.0 {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Info, Confidence::High, share)
            .with(Measure::new("rate", evidence.rate(), "B/s").over(limit * case.limit(SHARE)))
            .with(Measure::new("max_pacing_rate", limit, "B/s"))
            .saying("limit", format!("{limit:.0}")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn the_rate_that_was_set() {
        let paced = |rate| crate::diagnosis::Evidence { max_pacing_rate: Some(rate), ..healthy() };
        assert!(judged(&RULE, paced(1_000_000)).is_some());
        assert_eq!(judged(&RULE, paced(10_000_000)), None);
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
