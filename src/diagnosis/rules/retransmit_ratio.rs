//! TD302: many retransmits.

use crate::counters::is_above;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleScope, ServiceInput, Severity};

limits! {
    share: 0.02, "share", "share of the segments that were retransmitted";
    critical: 0.1, "share", "share from which it is critical";
    least: 5.0, "segments", "least number of retransmitted segments";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD302",
    name: "retransmit-ratio",
    title: "many retransmits",
    scope: RuleScope::Service,
    meaning: "The connections of this service together retransmit an unusual share of what they send, but none of them does so often enough to be a finding of its own: many short connections on a bad path.",
    evidence: "total_retrans against data_segs_out, summed over the connections of a service, ended ones included",
    guards: "The share has to be above the limit beyond chance, whatever the number of segments. If single connections were found to lose segments, that is the finding.",
    seen_from: "the sender",
    other_side: "On the peers rcv_ooopack grows.",
    advice: &[Advice::with_command(
        "See the kinds of retransmits and the peers.",
        "tcpdiag services --by remote --duration 10s",
    )],
    references: &["RFC 6298"],
    explained_by: &[
        "TD103", "TD110", "TD111", "TD112", "TD113", "TD114", "TD115", "TD122", "TD130", "TD141",
        "TD150", "TD151", "TD153", "TD301",
    ],
    limits: Limits::LIST,
    placeholders: &[],
    judge: Judge::Service(|input, limits| judge(input, &limits.retransmit_ratio)),
};

fn judge(input: &ServiceInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let sum = input.group.sum;
    let share = sum.share();
    let is_above = is_above(sum.retrans, sum.data_segs_out, limits.share);
    if !is_above || (sum.retrans as f64) < limits.least {
        return None;
    }
    let critical = share >= limits.critical;
    let severity = if critical { Severity::Critical } else { Severity::Warning };
    Some(
        RuleMatch::new(severity, Confidence::High, share)
            .with(Measure::new("retrans_share", share, "share").over(limits.share))
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
    fn judges_the_sum_of_connections() {
        let of = |retrans| Group {
            sum: Peer { connections: 500, data_segs_out: 2_000, retrans },
            ..Group::default()
        };
        let context = context();
        assert_eq!(service(&RULE, &of(100), &context).unwrap().severity, Severity::Warning);
        assert_eq!(service(&RULE, &of(300), &context).unwrap().severity, Severity::Critical);
        assert_eq!(service(&RULE, &of(45), &context), None, "within chance of 2 %");
        let few = Group {
            sum: Peer { connections: 6, data_segs_out: 24, retrans: 6 },
            ..Group::default()
        };
        assert!(service(&RULE, &few, &context).is_some(), "few and clear");
        assert_eq!(service(&RULE, &of(0), &context), None);
    }
}
