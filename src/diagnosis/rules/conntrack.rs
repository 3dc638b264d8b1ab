//! TD405: connection tracking nearly full.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, HostInput, Judge, Limit, Rule, RuleScope, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD405",
    name: "conntrack",
    title: "connection tracking nearly full",
    scope: RuleScope::Host,
    meaning: "The table of tracked connections (netfilter) is nearly full: beyond its limit packets of new connections are dropped, which looks like SYNs without answer.",
    evidence: "nf_conntrack_count against nf_conntrack_max",
    guards: "Without connection tracking there is nothing to read, and no finding.",
    seen_from: "the host that tracks",
    other_side: "Clients see SYNs without answer (TD153).",
    advice: &[
        Advice::by(
            "Raise the limit (each entry takes some 300 bytes), or do not track what need not be (raw table, notrack).",
            "sysctl -w net.netfilter.nf_conntrack_max={more}",
        ),
        Advice::new(
            "Entries of closed connections stay for nf_conntrack_tcp_timeout_time_wait (120 s), of silent ones for five days.",
        ),
    ],
    references: &["nf_conntrack_alloc() in net/netfilter/nf_conntrack_core.c"],
    explained_by: &[],
    limits: &[
        Limit::new("share", 0.8, "share", "of the limit"),
        Limit::new("critical", 0.95, "share", "from where on it is critical"),
    ],
    offers: &["more"],
    judge: Judge::Host(judge),
};

/// Places in the list of limits.
const SHARE: usize = 0;
const CRITICAL: usize = 1;

fn judge(case: &HostInput<'_>) -> Vec<RuleMatch> {
    let Some((count, most)) = case.context.host.conntrack() else { return Vec::new() };
    let share = count as f64 / most.max(1) as f64;
    if share < case.limit(SHARE) || most == 0 {
        return Vec::new();
    }
    let critical = share >= case.limit(CRITICAL);
    let severity = if critical { Severity::Critical } else { Severity::Warning };
    let rule_match = RuleMatch::new(severity, Confidence::High, share)
        .with(
            Measure::new("nf_conntrack_count", count as f64, "connections")
                .over(most as f64 * case.limit(SHARE)),
        )
        .with(Measure::new("nf_conntrack_max", most as f64, "connections"))
        .saying("more", most.saturating_mul(2).to_string());
    vec![rule_match]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::HostReading;
    use crate::diagnosis::testing::{context, of_host};

    #[test]
    fn against_its_limit() {
        let mut context = context();
        for (conntrack, found) in
            [(None, 0), (Some((500, 1000)), 0), (Some((900, 1000)), 1), (Some((0, 0)), 0)]
        {
            context.host.read(HostReading { conntrack, ..HostReading::default() }, 1_000);
            assert_eq!(of_host(&RULE, &context).len(), found);
        }
    }
}
