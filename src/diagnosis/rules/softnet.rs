//! TD404: packets dropped before they reached TCP.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, HostInput, Judge, Rule, RuleScope, Severity};

limits! {
    least: 1.0, "packets", "least number of dropped packets";
    share: 0.0001, "share", "share of the packets, below which it is information";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD404",
    name: "softnet-drops",
    title: "packets dropped before they reached TCP",
    scope: RuleScope::Host,
    meaning: "A processor's backlog of received packets was full, and packets were dropped before any protocol handled them. To TCP this is loss. Often one processor does the work for all.",
    evidence: "softnet_stat: growth of dropped, against processed",
    guards: "A drop in ten thousand packets or fewer (limit share) is information. The file covers the whole host, also if a namespace is diagnosed. time_squeeze alone only means that there was more work than one turn allows.",
    seen_from: "the receiver",
    other_side: "Senders see loss (TD110).",
    advice: &[
        Advice::with_command(
            "The backlog is net.core.netdev_max_backlog = {net.core.netdev_max_backlog} packets per processor.",
            "sysctl -w net.core.netdev_max_backlog={more}",
        ),
        Advice::with_command(
            "If one processor does all the work, spread it (RSS queues, RPS).",
            "cat /proc/net/softnet_stat",
        ),
    ],
    references: &["enqueue_to_backlog() in net/core/dev.c"],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &["more"],
    judge: Judge::Host(|input, limits| judge(input, &limits.softnet)),
};

fn judge(input: &HostInput<'_>, limits: &Limits) -> Vec<RuleMatch> {
    let host = &input.context.host;
    let Some(dropped) = host.softnet("dropped").map(|dropped| dropped as f64) else {
        return Vec::new();
    };
    if dropped < limits.least {
        return Vec::new();
    }
    let processed = host.softnet("processed");
    let backlog = input.context.settings.number("netdev_max_backlog").unwrap_or(1000);
    // Drops are counted among the processed or not, depending on where they happen.
    let share = dropped / processed.map_or(dropped, |all| dropped.max(all as f64));
    let severity = if share >= limits.share { Severity::Warning } else { Severity::Info };
    let mut rule_match = RuleMatch::new(severity, Confidence::High, dropped)
        .with(Measure::new("softnet.dropped", dropped, "packets").over(limits.least))
        .with_word("more", (backlog.saturating_mul(2)).to_string());
    if let Some(processed) = processed {
        rule_match =
            rule_match.with(Measure::new("softnet.processed", processed as f64, "packets"));
    }
    vec![rule_match]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::parse_softnet;
    use crate::diagnosis::testing::{context, of_host};
    use crate::monitor::HostReading;

    #[test]
    fn any_drop_matches() {
        let mut context = context();
        use crate::diagnosis::rule::Severity::{Info, Warning};
        for (dropped, processed, found) in [
            ("00000000", "00000100", None),
            ("00000005", "00000100", Some(Warning)),
            ("00000005", "00100000", Some(Info)),
        ] {
            context.host =
                crate::diagnosis::HostHistory::new(crate::counters::CounterWidth::Bits64);
            for [processed, dropped] in [["00000000"; 2], [processed, dropped]] {
                let softnet = Some(parse_softnet(&format!("{processed} {dropped} 00000000\n")));
                context.host.read(HostReading { softnet, ..HostReading::default() }, 1_000);
            }
            let severity = of_host(&RULE, &context).first().map(|it| it.severity);
            assert_eq!(severity, found);
        }
    }
}
