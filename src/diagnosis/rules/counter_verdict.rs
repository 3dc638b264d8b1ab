//! TD401: an unhealthy ratio of counters.

use super::spurious;
use crate::counters::{Judgement, Ratio, Verdict};
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, HostInput, Judge, Rule, RuleScope, Severity};

limits! {
    segments: 0.001, "share", "share of the segments sent, below which segment counters are only information";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD401",
    name: "counter-verdict",
    title: "an unhealthy ratio of counters",
    scope: RuleScope::Host,
    meaning: "A ratio of the host's counters is above its threshold for the watched time, and no finding about connections, listeners or services explains it.",
    evidence: "the ratios of `tcpdiag stats` over the same time, with the thresholds of the same configuration",
    guards: "Below a ratio's minimum denominator a share counts only where it is above the threshold beyond chance, and not at all where it only says what trouble consists of. Events that are rare among the segments sent (limit segments) are only information, whatever their share of other rare events. If a finding about connections or listeners shows the cause, only that is reported.",
    seen_from: "the host",
    other_side: "Nothing.",
    advice: &[
        Advice::with_command(
            "See all ratios with their counters.",
            "tcpdiag stats --interval 10s --count 2",
        ),
        Advice::with_command(
            "See what the ratio means and what is normal.",
            "tcpdiag explain {ratio}",
        ),
        Advice::with_command("{advice}", "{command}").only_with("command"),
        Advice::new("{advice}").only_with("no_command"),
    ],
    references: &["net/ipv4/proc.c"],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &["ratio", "advice", "command", "no_command"],
    judge: Judge::Host(|input, limits| judge(input, &limits.counter_verdict, &limits.spurious)),
};

/// Categories that count segments.
const OF_SEGMENTS: &[&str] =
    &["retransmission", "rto", "recovery", "undo", "dsack", "reordering", "sack"];

/// Categories of which most retransmits of the host explain the whole.
const OF_RETRANSMITS: &[&str] = &["retransmission", "rto", "recovery"];

/// The ratio of segments that arrived after a gap: the peers retransmit, not this host.
const RECEIVED_LATE: &str = "out_of_order";

fn judge(input: &HostInput<'_>, limits: &Limits, unneeded: &spurious::Limits) -> Vec<RuleMatch> {
    let host = &input.context.host;
    let few = host.growth("TcpOutSegs").map_or(0.0, |sent| sent as f64 * limits.segments);
    let judgements = host.judgements.iter();
    let found = |(ratio, judgement): &(&'static Ratio, Judgement)| {
        let found = rule_match(ratio, judgement, few)?;
        let most = match is_judged_by_cost(&ratio.id, input, unneeded) {
            true => Severity::Info,
            false => found.severity,
        };
        Some(RuleMatch { severity: found.severity.min(most), ..found })
    };
    judgements.filter_map(found).collect()
}

/// Whether a ratio counts what another rule judges by what it costs: TD117 and TD310 gaps, TD309 and
/// TD133 resets, which needs the destroy events of the connections, TD305 and TD306 the use of
/// TIME-WAIT, TD114 unnecessary retransmits, by their share of the segments sent. Handshakes that their client takes back (EmbryonicRsts) are health checks and scans.
fn is_judged_by_cost(ratio: &str, input: &HostInput<'_>, unneeded: &spurious::Limits) -> bool {
    let growth = |name: &str| input.context.host.growth(name).unwrap_or(0);
    let own = || growth("TcpExtTCPAbortOnData") + growth("TcpExtTCPAbortOnClose");
    let has_events = input.context.has_events;
    match ratio {
        RECEIVED_LATE | "time_wait_recycled" => true,
        "spurious_retransmits" | "undone_reductions" => {
            let doubles = growth("TcpExtTCPDSACKRecvSegs") as f64;
            doubles < unneeded.harmful * growth("TcpOutSegs") as f64
        }
        "failed_attempts" => growth("TcpExtEmbryonicRsts") * 2 >= growth("TcpAttemptFails").max(1),
        "established_resets" | "abort_on_data" | "abort_on_close" => has_events,
        "resets_sent" => has_events && own() * 2 >= growth("TcpOutRsts"),
        _ => false,
    }
}

fn rule_match(ratio: &'static Ratio, judgement: &Judgement, few: f64) -> Option<RuleMatch> {
    let (severity, threshold) = match judgement.verdict {
        Verdict::Critical => (Severity::Critical, judgement.threshold.critical?),
        Verdict::Warn => (Severity::Warning, judgement.threshold.warn?),
        Verdict::Ok | Verdict::NoData => return None,
    };
    let value = judgement.value?;
    // A ratio shows that something is wrong, but not what: it is a warning at most.
    // If no connection is reported for its window, windows closed only for moments.
    let is_rare =
        OF_SEGMENTS.contains(&ratio.category.as_str()) && (judgement.numerator? as f64) < few;
    let most = match ratio.category == "window" || is_rare {
        true => Severity::Info,
        false => Severity::Warning,
    };
    let severity = severity.min(most);
    let mut rule_match = RuleMatch::new(severity, Confidence::Medium, value / threshold.max(1e-9))
        .with(Measure::new(&ratio.id, value, "share").over(threshold))
        .with(Measure::new("events", judgement.numerator? as f64, "events"))
        .with(Measure::new("of", judgement.denominator? as f64, "events"))
        .with_word("ratio", ratio.id.clone())
        .with_word("advice", ratio.advice.clone())
        .with_word(
            if ratio.command.is_some() { "command" } else { "no_command" },
            ratio.command.clone().unwrap_or_default(),
        );
    rule_match.about = Some(ratio.title.clone());
    rule_match.cause = Some(ratio.meaning.clone());
    rule_match.explained_by = match ratio.id.as_str() {
        RECEIVED_LATE => &["TD117", "TD310"],
        // Connections that ended, among those about handshakes.
        "established_resets" => explainers("reset"),
        _ => explainers(&ratio.category),
    };
    rule_match.counts_retransmits = OF_RETRANSMITS.contains(&ratio.category.as_str());
    Some(rule_match)
}

/// Codes of rules that explain a category of counters.
fn explainers(category: &str) -> &'static [&'static str] {
    match category {
        "retransmission" | "rto" | "ip" => &[
            "TD103", "TD110", "TD111", "TD112", "TD113", "TD114", "TD115", "TD120", "TD122",
            "TD141", "TD151", "TD153", "TD201", "TD203", "TD204", "TD206", "TD301", "TD302",
            "TD307",
        ],
        "recovery" | "undo" | "dsack" | "reordering" | "sack" => &[
            "TD103", "TD110", "TD111", "TD112", "TD113", "TD114", "TD115", "TD120", "TD122",
            "TD141", "TD301", "TD302", "TD307",
        ],
        "connections" | "listen" | "syncookies" => &[
            "TD110", "TD111", "TD112", "TD153", "TD201", "TD202", "TD203", "TD204", "TD205",
            "TD206", "TD302", "TD306", "TD308",
        ],
        "time_wait" => &["TD305", "TD306", "TD304"],
        "abort" | "reset" => &[
            "TD133", "TD122", "TD130", "TD131", "TD141", "TD150", "TD151", "TD153", "TD201",
            "TD308", "TD309", "TD402", "TD403",
        ],
        "memory" => &["TD131", "TD132", "TD402", "TD403"],
        "window" => &["TD130", "TD131", "TD132", "TD101", "TD151"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, host, of_host};

    #[test]
    fn matches_the_verdict_of_stats() {
        let mut context = context();
        context.host = host(&[("TcpRetransSegs", 100), ("TcpOutSegs", 1_000)]);
        let ratio = Ratio::named("retransmission").unwrap();
        for (sent, found) in [(1_000, 1), (100_000, 0)] {
            let judgement = ratio.judge(ratio.threshold(), |name| {
                crate::counters::Amount::Events(if name == "TcpOutSegs" { sent } else { 100 })
            });
            context.host.judgements = vec![(ratio, judgement)];
            assert_eq!(of_host(&RULE, &context).len(), found);
        }
    }

    /// An upload over loopback: 62 probes of 70 losses, in hundreds of thousands of segments.
    #[test]
    fn rare_events_are_only_information() {
        let mut context = context();
        let ratio = Ratio::named("loss_probe_share").unwrap();
        for (sent, severity) in [(300_000, Severity::Info), (3_000, Severity::Warning)] {
            context.host = host(&[("TcpOutSegs", sent)]);
            let judgement = ratio.judge(ratio.threshold(), |name| {
                let probes = name == "TcpExtTCPLossProbes";
                crate::counters::Amount::Events(if probes { 62 } else { 70 })
            });
            context.host.judgements = vec![(ratio, judgement)];
            let found = of_host(&RULE, &context);
            assert_eq!(found.iter().map(|found| found.severity).collect::<Vec<_>>(), [severity]);
        }
    }

    /// Load balancers and health checks reset what they have finished with.
    #[test]
    fn resets_are_judged_by_what_they_cost() {
        let mut context = context();
        context.host =
            host(&[("TcpOutRsts", 40), ("TcpExtTCPAbortOnData", 40), ("TcpOutSegs", 400)]);
        let severity = |id, context: &crate::diagnosis::Context| {
            let ratio = Ratio::named(id).unwrap();
            let judgement = ratio.judge(ratio.threshold(), |_| crate::counters::Amount::Events(60));
            let mut context = crate::diagnosis::Context {
                settings: crate::settings::Values::recorded(""),
                host: context.host.clone(),
                ..*context
            };
            context.host.judgements = vec![(ratio, judgement)];
            of_host(&RULE, &context)[0].severity
        };
        for id in [
            "established_resets",
            "abort_on_data",
            "resets_sent",
            RECEIVED_LATE,
            "time_wait_recycled",
        ] {
            assert_eq!(severity(id, &context), Severity::Info, "{id}");
        }
        assert_eq!(severity("failed_attempts", &context), Severity::Warning);
        let mut checked = crate::diagnosis::testing::context();
        checked.host = host(&[("TcpAttemptFails", 40), ("TcpExtEmbryonicRsts", 40)]);
        assert_eq!(severity("failed_attempts", &checked), Severity::Info);
        assert_eq!(severity("abort_on_memory", &context), Severity::Warning);
        context.host =
            host(&[("TcpOutRsts", 40), ("TcpExtTCPAbortOnData", 4), ("TcpOutSegs", 400)]);
        assert_eq!(severity("resets_sent", &context), Severity::Warning);
        context.has_events = false;
        assert_eq!(severity("established_resets", &context), Severity::Warning);
    }

    #[test]
    fn explainers_exist() {
        for ratio in Ratio::all() {
            for code in explainers(&ratio.category) {
                assert!(crate::diagnosis::rule(code).is_some(), "{code}");
            }
        }
    }
}
