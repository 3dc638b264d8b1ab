//! TD303: round trips far above the recent minimum.

use crate::diagnosis::connection_history::Rtt;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleScope, ServiceInput, Severity};

limits! {
    times: 3.0, "times", "multiple of the least round trip, if round trips are constant";
    times_uneven: 2.0, "times", "multiple of the least round trip, if round trips vary";
    more: 60.0, "ms", "milliseconds above the least round trip";
    least: 3.0, "connections", "least number of connections";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD303",
    name: "rtt-shift",
    title: "round trips far above the recent minimum",
    scope: RuleScope::Service,
    meaning: "The round trips of most connections of this service are far longer than the least that the same connections had in the last minutes: a route changed, something on the path queues or delays, or the peers answer late.",
    evidence: "the medians of rtt and min_rtt over active connections",
    guards: "Several connections have to show it (limit least), and the increase has to be both a multiple and many milliseconds: more than delayed acknowledgements cause (40 ms, or a round trip). A high but constant round trip is a long path. If connections fill a queue themselves, that is the finding (TD120).",
    seen_from: "the sender",
    other_side: "On the peers check their round trips to this host.",
    advice: &[Advice::with_command(
        "See whether it lasts, and which peers it affects.",
        "tcpdiag services --by remote --interval 5s --count 6",
    )],
    references: &["tcp_rtt_estimator() in net/ipv4/tcp_input.c"],
    explained_by: &["TD120", "TD103", "TD122"],
    limits: Limits::LIST,
    placeholders: &[],
    judge: Judge::Service(|input, limits| judge(input, &limits.rtt_shift)),
};

fn judge(input: &ServiceInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let rtts = &input.group.rtts;
    if (rtts.len() as f64) < limits.least {
        return None;
    }
    let median_of = |of: fn(&Rtt) -> u64| median(rtts.iter().map(of).collect());
    let (least, now) = (median_of(|rtt| rtt.least)?, median_of(|rtt| rtt.now)?);
    let uneven = median_of(|rtt| rtt.varies)? * 4.0 > now - least;
    let times = if uneven { limits.times_uneven } else { limits.times };
    if now < least * times || now - least < limits.more * 1e3 {
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
    fn medians_above_the_minimum() {
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
