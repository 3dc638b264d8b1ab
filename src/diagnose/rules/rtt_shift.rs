//! TD303: round trips grew while it was watched.

use crate::diagnose::finding::{Measure, Sighting};
use crate::diagnose::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleScope, ServiceCase, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD303",
    name: "rtt-shift",
    title: "round trips grew while it was watched",
    scope: RuleScope::Service,
    meaning: "The round trips of most connections of this service became much longer from the first look to the last: a route changed, a queue filled up, or the peers slowed down.",
    evidence: "the median of rtt at the first and at the last look, of connections that did something",
    guards: "At least three connections have to tell, and the shift has to be both a multiple and many milliseconds. Where connections fill a queue themselves that is the finding (TD120).",
    seen_from: "the sender",
    other_side: "On the peers, their round trips to this host.",
    advice: &[Advice::by(
        "See whether it stays, and for which peers.",
        "tcpdiag services --by remote --interval 5s --count 6",
    )],
    references: &["tcp_rtt_estimator() in net/ipv4/tcp_input.c"],
    explained_by: &["TD120", "TD103", "TD122"],
    limits: &[
        Limit::new("times", 2.0, "times", "the median before"),
        Limit::new("more", 20.0, "ms", "above the median before"),
        Limit::new("least", 3.0, "connections", "at least"),
    ],
    offers: &[],
    judge: Judge::Service(judge),
};

/// Places in the list of limits.
const TIMES: usize = 0;
const MORE: usize = 1;
const LEAST: usize = 2;

fn judge(case: &ServiceCase<'_>) -> Option<Sighting> {
    let rtts = &case.group.rtts;
    if (rtts.len() as f64) < case.limit(LEAST) {
        return None;
    }
    let before = median(rtts.iter().map(|(before, _)| *before).collect())?;
    let after = median(rtts.iter().map(|(_, after)| *after).collect())?;
    if after < before * case.limit(TIMES) || after - before < case.limit(MORE) * 1e3 {
        return None;
    }
    Some(
        Sighting::new(Severity::Warning, Confidence::Medium, after / before.max(1.0))
            .with(Measure::new("rtt_median", after, "us").over(before * case.limit(TIMES)))
            .with(Measure::new("rtt_median_before", before, "us"))
            .with(Measure::new("connections", rtts.len() as f64, "connections")),
    )
}

fn median(mut values: Vec<u64>) -> Option<f64> {
    values.sort_unstable();
    values.get(values.len() / 2).map(|&value| value as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::groups::Group;
    use crate::diagnose::testing::{context, service};

    #[test]
    fn most_of_them() {
        let of = |rtts: &[(u64, u64)]| Group { rtts: rtts.to_vec(), ..Group::default() };
        let context = context();
        let grown = [(4_000, 90_000), (5_000, 80_000), (4_500, 85_000), (4_000, 4_000)];
        assert!(service(&RULE, &of(&grown), &context).is_some());
        assert_eq!(service(&RULE, &of(&grown[..2]), &context), None);
        assert_eq!(service(&RULE, &of(&[(4_000, 9_000); 5]), &context), None);
        assert_eq!(service(&RULE, &of(&[(90_000, 91_000); 5]), &context), None);
    }
}
