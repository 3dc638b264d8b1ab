//! TD303: round trips grew while it was watched.

use crate::diagnosis::connection_history::Rtt;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleScope, ServiceInput, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD303",
    name: "rtt-shift",
    title: "round trips far above what the path has shown",
    scope: RuleScope::Service,
    meaning: "The round trips of most connections of this service are far longer than the least that the same connections have seen in the last minutes: a route changed, something on the way queues or delays, or the peers answer late.",
    evidence: "the medians of rtt and min_rtt, of connections that did something",
    guards: "At least three connections have to tell, and the shift has to be both a multiple and many milliseconds: more than a peer's delayed acknowledgements come to (40 ms, or a round trip). A high but even round trip is a long path. Where connections fill a queue themselves that is the finding (TD120).",
    seen_from: "the sender",
    other_side: "On the peers, their round trips to this host.",
    advice: &[Advice::by(
        "See whether it stays, and for which peers.",
        "tcpdiag services --by remote --interval 5s --count 6",
    )],
    references: &["tcp_rtt_estimator() in net/ipv4/tcp_input.c"],
    explained_by: &["TD120", "TD103", "TD122"],
    limits: &[
        Limit::new("times", 3.0, "times", "the least, where round trips are even"),
        Limit::new("times_uneven", 2.0, "times", "the least, where they differ"),
        Limit::new("more", 60.0, "ms", "above the least"),
        Limit::new("least", 3.0, "connections", "at least"),
    ],
    offers: &[],
    judge: Judge::Service(judge),
};

/// Places in the list of limits.
const TIMES: usize = 0;
const TIMES_UNEVEN: usize = 1;
const MORE: usize = 2;
const LEAST: usize = 3;

fn judge(case: &ServiceInput<'_>) -> Option<RuleMatch> {
    let rtts = &case.group.rtts;
    if (rtts.len() as f64) < case.limit(LEAST) {
        return None;
    }
    let median_of = |of: fn(&Rtt) -> u64| median(rtts.iter().map(of).collect());
    let (least, now) = (median_of(|rtt| rtt.least)?, median_of(|rtt| rtt.now)?);
    let uneven = median_of(|rtt| rtt.varies)? * 4.0 > now - least;
    let times = case.limit(if uneven { TIMES_UNEVEN } else { TIMES });
    if now < least * times || now - least < case.limit(MORE) * 1e3 {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Warning, Confidence::Medium, now / least.max(1.0))
            .with(Measure::new("rtt_median", now, "us").over(least * times))
            .with(Measure::new("min_rtt_median", least, "us"))
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
    use crate::diagnosis::groups::Group;
    use crate::diagnosis::testing::{context, service};

    #[test]
    fn most_of_them() {
        let of = |least, now, varies, count| Group {
            rtts: vec![Rtt { least, now, varies }; count],
            ..Group::default()
        };
        let context = context();
        assert!(service(&RULE, &of(40_000, 200_000, 2_000, 4), &context).is_some());
        assert!(service(&RULE, &of(50_000, 130_000, 40_000, 4), &context).is_some(), "jitter");
        assert_eq!(service(&RULE, &of(40_000, 200_000, 2_000, 2), &context), None, "too few");
        assert_eq!(service(&RULE, &of(150, 40_000, 3_000, 9), &context), None, "delayed ACKs");
        assert_eq!(service(&RULE, &of(150_000, 290_000, 9_000, 9), &context), None, "the same");
        assert_eq!(service(&RULE, &of(240_000, 241_000, 500, 9), &context), None, "far");
    }
}
