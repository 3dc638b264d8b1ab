//! TD404: packets dropped before TCP saw them.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, HostInput, Judge, Limit, Rule, RuleScope, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD404",
    name: "softnet-drops",
    title: "packets dropped before TCP saw them",
    scope: RuleScope::Host,
    meaning: "A processor's backlog of received packets was full, and packets were dropped before any protocol looked at them: to TCP it is loss. One processor often does the work of all.",
    evidence: "softnet_stat: growth of dropped, against processed",
    guards: "The file is of the whole host, also where a namespace is looked at. time_squeeze alone only means that there was more to do than one turn allows.",
    seen_from: "the receiver",
    other_side: "Senders see loss (TD110).",
    advice: &[
        Advice::by(
            "The backlog is net.core.netdev_max_backlog = {net.core.netdev_max_backlog} packets per processor.",
            "sysctl -w net.core.netdev_max_backlog={more}",
        ),
        Advice::by(
            "See whether one processor has it all; then spread the work (RSS queues, RPS).",
            "cat /proc/net/softnet_stat",
        ),
    ],
    references: &["enqueue_to_backlog() in net/core/dev.c"],
    explained_by: &[],
    limits: &[Limit::new("least", 1.0, "packets", "dropped at least")],
    offers: &["more"],
    judge: Judge::Host(judge),
};

/// Places in the list of limits.
const LEAST: usize = 0;

fn judge(case: &HostInput<'_>) -> Vec<RuleMatch> {
    let host = &case.context.host;
    let dropped = host.softnet("dropped").unwrap_or(0) as f64;
    if dropped < case.limit(LEAST) {
        return Vec::new();
    }
    let processed = host.softnet("processed").unwrap_or(0) as f64;
    let backlog = case.context.settings.number("netdev_max_backlog").unwrap_or(1000);
    let rule_match = RuleMatch::new(Severity::Warning, Confidence::High, dropped)
        .with(Measure::new("softnet.dropped", dropped, "packets").over(case.limit(LEAST)))
        .with(Measure::new("softnet.processed", processed, "packets"))
        .saying("more", (backlog.saturating_mul(2)).to_string());
    vec![rule_match]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::parse_softnet;
    use crate::diagnosis::HostReading;
    use crate::diagnosis::testing::{context, of_host};

    #[test]
    fn any_drop_counts() {
        let mut context = context();
        for (dropped, found) in [("00000000", 0), ("00000005", 1)] {
            context.host =
                crate::diagnosis::HostHistory::new(crate::counters::CounterWidth::Bits64);
            for dropped in ["00000000", dropped] {
                let softnet = Some(parse_softnet(&format!("00000100 {dropped} 00000000\n")));
                context.host.read(HostReading { softnet, ..HostReading::default() }, 1_000);
            }
            assert_eq!(of_host(&RULE, &context).len(), found);
        }
    }
}
