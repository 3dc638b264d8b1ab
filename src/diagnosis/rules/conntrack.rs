//! TD405: connection tracking is nearly full.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, HostInput, Judge, Rule, RuleScope, Severity};

limits! {
    share: 0.8, "share", "share of the limit";
    critical: 0.95, "share", "share from which it is critical";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD405",
    name: "conntrack",
    title: "connection tracking is nearly full",
    scope: RuleScope::Host,
    meaning: "The table of tracked connections (netfilter) is nearly full. Beyond its limit, packets of new connections are dropped, which looks like unanswered SYNs.",
    evidence: "nf_conntrack_count against nf_conntrack_max",
    guards: "Nothing is lost below the limit, and every new connection of the host beyond it: it is a warning before and critical close to it. Without connection tracking there is nothing to read, and no finding.",
    seen_from: "the host that tracks",
    other_side: "Clients see unanswered SYNs (TD153).",
    advice: &[
        Advice::with_command(
            "Raise the limit (an entry takes about 300 bytes), or exempt traffic from tracking (raw table, notrack).",
            "sysctl -w net.netfilter.nf_conntrack_max={more}",
        ),
        Advice::new(
            "Entries of closed connections stay for nf_conntrack_tcp_timeout_time_wait (120 s), those of silent connections for five days.",
        ),
    ],
    references: &["nf_conntrack_alloc() in net/netfilter/nf_conntrack_core.c"],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &["more"],
    judge: Judge::Host(|input, limits| judge(input, &limits.conntrack)),
};

fn judge(input: &HostInput<'_>, limits: &Limits) -> Vec<RuleMatch> {
    let Some((count, most)) = input.context.host.conntrack() else { return Vec::new() };
    let share = count as f64 / most.max(1) as f64;
    if share < limits.share || most == 0 {
        return Vec::new();
    }
    let critical = share >= limits.critical;
    let severity = if critical { Severity::Critical } else { Severity::Warning };
    let rule_match = RuleMatch::new(severity, Confidence::High, share)
        .with(
            Measure::new("nf_conntrack_count", count as f64, "connections")
                .over(most as f64 * limits.share),
        )
        .with(Measure::new("nf_conntrack_max", most as f64, "connections"))
        .with_word("more", most.saturating_mul(2).to_string());
    vec![rule_match]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, of_host};
    use crate::monitor::HostReading;

    #[test]
    fn compares_with_the_limit() {
        let mut context = context();
        for (conntrack, found) in
            [(None, 0), (Some((500, 1000)), 0), (Some((900, 1000)), 1), (Some((0, 0)), 0)]
        {
            context.host.read(HostReading { conntrack, ..HostReading::default() }, 1_000);
            assert_eq!(of_host(&RULE, &context).len(), found);
        }
    }
}
