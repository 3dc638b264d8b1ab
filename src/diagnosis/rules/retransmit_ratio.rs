//! TD302: many retransmits for what is sent.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleScope, ServiceInput, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD302",
    name: "retransmit-ratio",
    title: "many retransmits for what is sent",
    scope: RuleScope::Service,
    meaning: "The connections of this service together retransmit an unusual part of what they send, though none of them does so often enough to be a finding of its own: many short connections on a bad path.",
    evidence: "total_retrans against data_segs_out, summed over the connections of a service, the closed ones included",
    guards: "With fewer segments the share would be chance. Where single connections were found to lose, that is the finding.",
    seen_from: "the sender",
    other_side: "On the peers rcv_ooopack grows.",
    advice: &[Advice::by(
        "See the kinds of retransmits and the peers.",
        "tcpdiag services --by remote --duration 10s",
    )],
    references: &["RFC 6298"],
    explained_by: &[
        "TD103", "TD110", "TD111", "TD112", "TD113", "TD114", "TD115", "TD122", "TD130", "TD141",
        "TD150", "TD151", "TD153", "TD301",
    ],
    limits: &[
        Limit::new("share", 0.02, "share", "of the segments that were retransmitted"),
        Limit::new("critical", 0.1, "share", "from where on it is critical"),
        Limit::new("least", 20.0, "segments", "retransmitted at least"),
    ],
    offers: &[],
    judge: Judge::Service(judge),
};

/// Places in the list of limits.
const SHARE: usize = 0;
const CRITICAL: usize = 1;
const LEAST: usize = 2;

fn judge(case: &ServiceInput<'_>) -> Option<RuleMatch> {
    let sum = case.group.sum;
    let share = sum.share();
    if share < case.limit(SHARE) || (sum.retrans as f64) < case.limit(LEAST) {
        return None;
    }
    let critical = share >= case.limit(CRITICAL);
    let severity = if critical { Severity::Critical } else { Severity::Warning };
    Some(
        RuleMatch::new(severity, Confidence::High, share)
            .with(Measure::new("retrans_share", share, "share").over(case.limit(SHARE)))
            .with(Measure::new("total_retrans", sum.retrans as f64, "segments"))
            .with(Measure::new("connections", sum.connections as f64, "connections")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::groups::{Group, Peer};
    use crate::diagnosis::testing::{context, service};

    #[test]
    fn of_all_together() {
        let of = |retrans| Group {
            sum: Peer { connections: 500, data_segs_out: 2_000, retrans },
            ..Group::default()
        };
        let context = context();
        assert_eq!(service(&RULE, &of(100), &context).unwrap().severity, Severity::Warning);
        assert_eq!(service(&RULE, &of(300), &context).unwrap().severity, Severity::Critical);
        assert_eq!(service(&RULE, &of(20), &context), None);
        assert_eq!(service(&RULE, &of(0), &context), None);
    }
}
