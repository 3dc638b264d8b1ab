//! TD401: an unhealthy ratio of counters.

use std::ops::Add;

use super::spurious;
use crate::counters::{Amount, Judgement, NoData, Ratio, Verdict};
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::host::HostHistory;
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, HostInput, Judge, Rule, RuleScope, Severity};

limits! {
    rare: Ratio::RARE, "share", "share of the segments sent, below which events are no trouble in ratios of rare events";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD401",
    name: "counter-verdict",
    title: "an unhealthy ratio of counters",
    scope: RuleScope::Host,
    meaning: "A ratio of the host's counters is above its threshold for the watched time, and no finding about connections, listeners or services explains it.",
    evidence: "the ratios of `tcpdiag stats` over the same time, with the thresholds of the same configuration",
    guards: "Below a ratio's minimum denominator a share counts only where it is above the threshold beyond chance, and not at all where it only says what trouble consists of. Events that are rare among the segments sent do not count, whatever their share of other rare events (limit rare). What needless retransmits consist of is information while retransmits are within their limit. So is what other counters show to be harmless: retransmits that are within their limit without those that had arrived (TCPDSACKRecvSegs), bad segments of which most are SYNs on live connections (TCPSYNChallenge), old timestamps of which most are on acknowledgements that others overtook (PAWSOldAck). So is what another rule judges by its cost. The finding says which of these it is. If a finding about connections or listeners shows the cause, only that is reported.",
    seen_from: "the host",
    other_side: "Nothing to see: these counters are of this host.",
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
    judge: Judge::Host(|input, limits| judge(input, &limits.spurious)),
};

/// Categories of which most retransmits of the host explain the whole.
const OF_RETRANSMITS: &[&str] = &["retransmission", "rto", "recovery"];

/// The ratio of segments that arrived after a gap: the peers retransmit, not this host.
const RECEIVED_LATE: &str = "out_of_order";

fn judge(input: &HostInput<'_>, unneeded: &spurious::Limits) -> Vec<RuleMatch> {
    let judgements = input.context.host.judgements.iter();
    let found = |(ratio, judgement): &(&'static Ratio, Judgement)| {
        let found = rule_match(ratio, judgement)?;
        Some(match why_mild(ratio, judgement, input, unneeded) {
            Some(why) => RuleMatch {
                severity: Severity::Info,
                cause: found.cause.map(|cause| format!("{cause} {why}")),
                ..found
            },
            None => found,
        })
    };
    judgements.filter_map(found).collect()
}

/// Why a ratio above its threshold is only information: another rule judges what it costs, or other
/// counters show that it does no harm. `None` where neither is known.
fn why_mild(
    ratio: &Ratio,
    judgement: &Judgement,
    input: &HostInput<'_>,
    unneeded: &spurious::Limits,
) -> Option<&'static str> {
    let (host, has_events) = (&input.context.host, input.context.has_events);
    // Of those that this kernel counts; `None` if it counts none.
    let sum = |names: &[&str]| names.iter().filter_map(|name| host.growth(name)).reduce(Add::add);
    let are_most = |harmless: &[&str], of: &[&str]| {
        let counted = sum(harmless).zip(sum(of));
        counted.is_some_and(|(harmless, of)| harmless > 0 && harmless * 2 >= of)
    };
    let costs_little = || {
        let counted = host.growth("TcpExtTCPDSACKRecvSegs").zip(host.growth("TcpOutSegs"));
        counted.is_some_and(|(doubles, sent)| (doubles as f64) < unneeded.harmful * sent as f64)
    };
    Some(match ratio.id.as_str() {
        RECEIVED_LATE => "TD117 and TD310 judge what gaps cost.",
        "time_wait_recycled" => "TD305 and TD306 judge whether ports run short.",
        "retransmission" if is_fine_without_unneeded(ratio, judgement, host) => {
            "Without those that the peers had received already, as they report (DSACK), the share is within its limit: acknowledgements were late or overtaken, little was lost."
        }
        "spurious_retransmits" | "undone_reductions" if costs_little() => {
            "Few of the segments sent were needless (limit harmful of TD114)."
        }
        "loss_probe_share" | "spurious_retransmits" | "spurious_timeouts" | "undone_reductions"
            if host.verdict("retransmission") == Some(Verdict::Ok) =>
        {
            "Retransmits are within their limit."
        }
        "failed_attempts" if are_most(&["TcpExtEmbryonicRsts"], &["TcpAttemptFails"]) => {
            "Most of these are handshakes that their client took back (EmbryonicRsts), as health checks and scans do."
        }
        // Only destroy events show how connections ended.
        "established_resets" | "abort_on_data" | "abort_on_close" if has_events => JUDGED_RESETS,
        "resets_sent" if has_events && are_most(OWN_ABORTS, &["TcpOutRsts"]) => JUDGED_RESETS,
        // tcp_validate_incoming() counts them in both.
        "bad_segments" if are_most(&["TcpExtTCPSYNChallenge"], &["TcpInErrs"]) => {
            "Most of these are SYNs on live connections (TCPSYNChallenge), such as a SYN-ACK that the peer repeated because its accept queue was full or the ACK was lost: nothing was damaged."
        }
        "paws_rejected" if are_most(&["TcpExtPAWSOldAck"], PAWS) => {
            "Most of these are acknowledgements without data that others overtook (PAWSOldAck): nothing was lost."
        }
        _ => return None,
    })
}

const JUDGED_RESETS: &str = "TD309 and TD133 judge what resets cost.";
/// Resets that a program here causes when it closes.
const OWN_ABORTS: &[&str] = &["TcpExtTCPAbortOnData", "TcpExtTCPAbortOnClose"];
const PAWS: &[&str] = &["TcpExtPAWSEstab", "TcpExtPAWSActive", "TcpExtPAWSOldAck"];

/// Whether retransmits are within their limit without those that the peers report to have received
/// twice. A kernel that does not count such reports proves nothing.
fn is_fine_without_unneeded(ratio: &Ratio, judgement: &Judgement, host: &HostHistory) -> bool {
    // Before Linux 5.12 there are no segments of DSACKs, but the DSACKs.
    let reports = || {
        let [old, late] = ["TcpExtTCPDSACKRecv", "TcpExtTCPDSACKOfoRecv"];
        Some(host.growth(old)? + host.growth(late).unwrap_or(0))
    };
    let unneeded = host.growth("TcpExtTCPDSACKRecvSegs").or_else(reports);
    unneeded.filter(|unneeded| *unneeded > 0).is_some_and(|unneeded| {
        let needed =
            ratio.judge(judgement.threshold, Ratio::RARE, |name| match host.amount(name) {
                Amount::Events(all) if name == "TcpRetransSegs" => {
                    Amount::Events(all.saturating_sub(unneeded))
                }
                amount => amount,
            });
        needed.verdict == Verdict::Ok || needed.no_data == Some(NoData::TooLittle)
    })
}

fn rule_match(ratio: &'static Ratio, judgement: &Judgement) -> Option<RuleMatch> {
    let (severity, threshold) = match judgement.verdict {
        Verdict::Critical => (Severity::Critical, judgement.threshold.critical?),
        Verdict::Warn => (Severity::Warning, judgement.threshold.warn?),
        Verdict::Ok | Verdict::NoData => return None,
    };
    let value = judgement.value?;
    // A ratio shows that something is wrong, but not what: it is a warning at most.
    // If no connection is reported for its window, windows closed only for moments.
    let most = if ratio.category == "window" { Severity::Info } else { Severity::Warning };
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
            let judgement = ratio.judge(ratio.threshold(), Ratio::RARE, |name| {
                crate::counters::Amount::Events(if name == "TcpOutSegs" { sent } else { 100 })
            });
            context.host.judgements = vec![(ratio, judgement)];
            assert_eq!(of_host(&RULE, &context).len(), found);
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
            let judgement = ratio
                .judge(ratio.threshold(), Ratio::RARE, |_| crate::counters::Amount::Events(60));
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

    /// What the rule finds about a ratio if these counters grew.
    fn severity(id: &str, grown: &[(&str, u64)]) -> Option<Severity> {
        let mut context = context();
        context.host = host(grown);
        let judgements = Ratio::all().iter().map(|ratio| {
            let amount = |name: &str| context.host.amount(name);
            (ratio, ratio.judge(ratio.threshold(), Ratio::RARE, amount))
        });
        context.host.judgements = judgements.collect();
        let title = &Ratio::named(id).unwrap().title;
        let found = of_host(&RULE, &context);
        found.into_iter().find(|one| one.about.as_ref() == Some(title)).map(|one| one.severity)
    }

    #[test]
    fn what_other_counters_show_to_be_harmless_is_information() {
        use Severity::{Info, Warning};
        let again = |dsacks| {
            [("TcpRetransSegs", 300), ("TcpOutSegs", 2_000), ("TcpExtTCPDSACKRecvSegs", dsacks)]
        };
        assert_eq!(severity("retransmission", &again(40)), Some(Warning));
        // 100 of 2,100 were needed, then 10 of 2,010.
        assert_eq!(severity("retransmission", &again(200)), Some(Warning));
        assert_eq!(severity("retransmission", &again(290)), Some(Info));
        let old = |dsacks| {
            [("TcpRetransSegs", 300), ("TcpOutSegs", 2_000), ("TcpExtTCPDSACKRecv", dsacks)]
        };
        assert_eq!(severity("retransmission", &old(290)), Some(Info));
        assert_eq!(severity("retransmission", &old(200)), Some(Warning));
        assert_eq!(severity("retransmission", &again(0)[..2]), Some(Warning));
        assert_eq!(severity("spurious_retransmits", &again(200)), Some(Warning));
        let few = [("TcpRetransSegs", 72), ("TcpOutSegs", 9_000), ("TcpExtTCPDSACKRecvSegs", 70)];
        assert_eq!(severity("spurious_retransmits", &few), Some(Info));
        let bad = |syns| [("TcpInErrs", 80), ("TcpInSegs", 4_000), ("TcpExtTCPSYNChallenge", syns)];
        assert_eq!(severity("bad_segments", &bad(0)), Some(Warning));
        assert_eq!(severity("bad_segments", &bad(78)), Some(Info));
        let old = |data, acks| {
            [
                ("TcpExtPAWSEstab", data),
                ("TcpInSegs", 4_000),
                ("TcpExtTCPOFOQueue", 900),
                ("TcpExtPAWSOldAck", acks),
            ]
        };
        assert_eq!(severity("paws_rejected", &old(40, 0)), Some(Warning));
        assert_eq!(severity("paws_rejected", &old(40, 30)), Some(Warning));
        assert_eq!(severity("paws_rejected", &old(30, 40)), Some(Info));
    }

    /// A kernel that does not count DSACKs does not show that few segments were needless.
    #[test]
    fn what_is_not_counted_is_not_0() {
        let undone = [("TcpExtTCPTimeouts", 60), ("TcpExtTCPFullUndo", 50), ("TcpOutSegs", 9_000)];
        assert_eq!(severity("undone_reductions", &undone), Some(Severity::Warning));
        let counted = [undone.as_slice(), &[("TcpExtTCPDSACKRecvSegs", 3)]].concat();
        assert_eq!(severity("undone_reductions", &counted), Some(Severity::Info));
    }

    #[test]
    fn events_are_rare_up_to_a_limit() {
        let timeouts = |events: u64| {
            [("TcpExtTCPTimeouts", events), ("TcpRetransSegs", 60), ("TcpOutSegs", 40_000)]
        };
        assert_eq!(severity("timeout_share", &timeouts(39)), None);
        assert_eq!(severity("timeout_share", &timeouts(40)), Some(Severity::Warning));
        // Which cannot be sent, and what was taken back, is trouble in any number.
        let failed = [("TcpExtTCPRetransFail", 9), ("TcpRetransSegs", 60), ("TcpOutSegs", 40_000)];
        assert_eq!(severity("retransmit_failures", &failed), Some(Severity::Warning));
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
