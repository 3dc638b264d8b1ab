//! TD110: segments lost on the path.

use crate::counters::is_above;
use crate::diagnosis::carrying::{
    Control, agrees, finds_its_rate, is_held_by_window, losses_per_recovery,
};
use crate::diagnosis::evidence::Evidence;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};
use crate::diagnosis::sign::Sign;

limits! {
    share: 0.01, "share", "share of the segments that were lost, from which it is a finding whatever it costs";
    least: 5.0, "segments", "least number of repaired losses";
    delayed: 0.02, "share", "share of the busy time spent on repairs, from which it is more than information";
    fast: 125e6, "B/s", "rate from which a limited throughput is only information";
    critical: 0.1, "share", "share from which it is critical";
    queued: 0.3, "share", "share of the polls with longer round trips, from which a queue is the likely cause";
}

/// The cause where round trips grow too.
const QUEUED: &str = "Segments within the stream are lost and repaired by fast retransmission, while round trips grow: the likely cause is a queue on the path that overflows. This connection does not fill it alone, since its congestion window is not used up.";

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD110",
    name: "loss",
    title: "segments lost on the path",
    scope: RuleScope::Connection,
    meaning: "Segments within the stream are lost and repaired by fast retransmission. While round trips do not grow, it is not a queue that overflows but a bad link, a duplex mismatch, a policer, or a crowded radio channel. Loss far below one percent limits the rate on a long path: each one makes the congestion control send less.",
    evidence: "growth of total_retrans without timeouts, against data_segs_out; the host's fast retransmits and recoveries; the rate that the congestion control carries at this loss and round trip against the rate while data was queued",
    guards: "Unnecessary retransmits are TD114 and TD115, which are the finding where there are half as many of them as repaired losses; those behind a full queue are TD103, those of timeouts TD112. The share has to be above the limit beyond chance, or loss has to limit the rate: the connection has more to send, its congestion window holds it back and nothing else does, round trips do not grow, losses do not always come at the same window as those of a queue that it fills, and the rate is what the model of the congestion control says. Segments that are lost together count once. bbr is not limited by losses of less than 15 %. Loss that costs less than the limit delayed is information.",
    seen_from: "the sender",
    other_side: "On the receiver rcv_ooopack grows. Check `ip -s link` there and at the hops between for errors and drops.",
    advice: &[
        Advice::with_command(
            "Find the hop: check for errors on the interfaces of both ends and between them.",
            "ip -s -s link show",
        ),
        Advice::with_command(
            "See whether it affects this peer or all peers.",
            "tcpdiag services --by remote --duration 10s",
        ),
        Advice::with_command(
            "With {control} {carries} are all that this loss and round trip allow. bbr does not slow down at single losses. The setting is for connections that are opened after it.",
            "sysctl -w net.ipv4.tcp_congestion_control=bbr",
        )
        .only_with("bbr"),
    ],
    references: &[
        "RFC 6675",
        "RFC 8985",
        "RFC 9438 5.1",
        "Mathis, Semke, Mahdavi, Ott: The macroscopic behavior of the TCP congestion avoidance algorithm (1997)",
        "tcp_xmit_retransmit_queue() in net/ipv4/tcp_output.c",
    ],
    explained_by: &["TD103", "TD141", "TD122", "TD111"],
    limits: Limits::LIST,
    placeholders: &["control", "carries", "bbr"],
    judge: Judge::Connection(|input, limits| judge(input, &limits.loss)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let repaired = evidence.repaired();
    if (repaired as f64) < limits.least || evidence.data_segs_out == 0 {
        return None;
    }
    let lost = repaired as f64 / evidence.data_segs_out as f64;
    let events = lost / losses_per_recovery(input.context);
    let rtt = evidence.mean_rtt_us.or(evidence.rtt_us).unwrap_or(0) as f64;
    let control = Control::of(evidence, input.context);
    let carries = control.and_then(|control| control.carries(evidence.mss as f64, rtt, events));
    let rate = evidence.busy_rate();
    let slow = carries.is_some_and(|carries| {
        repaired as f64 * (events / lost) >= limits.least
            && is_held_by_window(evidence)
            && agrees(rate, carries)
    });
    let much = is_above(repaired, evidence.data_segs_out, limits.share);
    if !slow && !much {
        return None;
    }
    let repairing_us = repaired as f64 * rtt + evidence.timeout_ms.unwrap_or(0) as f64 * 1e3;
    let delayed = evidence.busy_us.filter(|&busy| busy > 0).map(|busy| repairing_us / busy as f64);
    // bbr does not slow down for losses.
    let own = finds_its_rate(evidence);
    let costs = match slow {
        true => rate < limits.fast,
        false => !own && carries.is_some() && delayed.is_none_or(|part| part >= limits.delayed),
    };
    let severity = match costs {
        true if lost >= limits.critical => Severity::Critical,
        true => Severity::Warning,
        false => Severity::Info,
    };
    let mut rule_match = RuleMatch::new(severity, Confidence::High, lost)
        .with(Measure::new("lost_share", lost, "share").over(limits.share))
        .with(Measure::new("total_retrans", evidence.retrans as f64, "segments"))
        .with(Measure::new("data_segs_out", evidence.data_segs_out as f64, "segments"))
        .with(Measure::new("mean_rtt", rtt, "us"))
        .with(Measure::new("busy_rate", rate, "B/s"))
        .with_known(carries.map(|carries| Measure::new("carried_rate", carries, "B/s")))
        .with_known(
            delayed.map(|part| Measure::new("repair_time", part, "share").over(limits.delayed)),
        );
    rule_match.explained_by = explainers(evidence);
    if let (true, Some(control), Some(carries)) = (slow, control, carries) {
        rule_match.cause = Some(limited(control, carries, rate));
        rule_match =
            rule_match.with_word("control", control.name()).with_word("carries", megabits(carries));
        if control != Control::Bbr && input.context.can_switch_to_bbr() {
            rule_match = rule_match.with_word("bbr", "");
        }
    }
    let queued = evidence.share_of_polls(Sign::Queued);
    if queued >= limits.queued {
        let least = evidence.min_rtt_us.map(|us| Measure::new("min_rtt", us as f64, "us"));
        rule_match =
            rule_match.with(Measure::new("queued_looks", queued, "share")).with_known(least);
        rule_match.cause = Some(QUEUED.to_owned());
    }
    Some(rule_match)
}

/// Overtaken segments and unnecessary retransmits look like losses, but no more are explained than
/// there are.
fn explainers(evidence: &Evidence) -> &'static [&'static str] {
    let repaired = evidence.repaired();
    let explains = |count: Option<u64>| count.unwrap_or(0) * 2 >= repaired;
    match (explains(evidence.dsack_dups), explains(evidence.reord_seen)) {
        (true, true) => &["TD114", "TD115"],
        (true, false) => &["TD114"],
        (false, true) => &["TD115"],
        (false, false) => &[],
    }
}

/// The cause where loss limits the rate.
fn limited(control: Control, carries: f64, rate: f64) -> String {
    format!(
        "Segments within the stream are lost, while round trips do not grow. At this loss and round trip {} carries about {}; the connection had more to send and reached {}. Loss limits its rate.",
        control.name(),
        megabits(carries),
        megabits(rate),
    )
}

/// A rate in the unit of links.
pub(super) fn megabits(rate: f64) -> String {
    format!("{:.2} Mbit/s", rate * 8.0 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};
    use crate::model::CongestionName;

    fn lossy(retrans: u64) -> Evidence {
        Evidence { retrans, ..healthy() }
    }

    #[test]
    fn more_than_one_percent_beyond_chance() {
        assert_eq!(judged(&RULE, healthy()), None);
        assert_eq!(judged(&RULE, lossy(75)), None, "within chance of one percent");
        assert_eq!(judged(&RULE, lossy(140)).unwrap().severity, Severity::Warning);
        assert_eq!(judged(&RULE, lossy(1400)).unwrap().severity, Severity::Critical);
        let few = Evidence { data_segs_out: 50, ..lossy(5) };
        assert!(judged(&RULE, few).is_some(), "few and clear");
        let by_timeout = Evidence { timeouts: Some(135), ..lossy(140) };
        assert_eq!(judged(&RULE, by_timeout), None);
        let queued = judged(&RULE, lossy(140).shows(Sign::Queued, 6)).unwrap();
        assert!(queued.cause.unwrap().contains("round trips grow"));
        assert_eq!(judged(&RULE, lossy(140)).unwrap().cause, None);
        let unnecessary = Evidence { dsack_dups: Some(135), ..lossy(140) };
        assert_eq!(judged(&RULE, unnecessary), None);
    }

    #[test]
    fn overtaken_segments_explain_no_more_losses_than_they_are() {
        let with = |dsack_dups, reord_seen| {
            let seen = Evidence {
                dsack_dups: Some(dsack_dups),
                reord_seen: Some(reord_seen),
                ..lossy(140 + dsack_dups)
            };
            judged(&RULE, seen).unwrap().explained_by
        };
        assert!(with(0, 0).is_empty());
        assert!(with(10, 20).is_empty());
        assert_eq!(with(10, 80), ["TD115"]);
        assert_eq!(with(80, 20), ["TD114"]);
        assert_eq!(with(80, 80), ["TD114", "TD115"]);
    }

    #[test]
    fn loss_that_costs_little_is_information() {
        // 140 repairs of 4 ms in 9 s are 6 % of the time, of 1 ms 1.6 %.
        let near = Evidence { mean_rtt_us: Some(1_000), ..lossy(140) };
        assert_eq!(judged(&RULE, near).unwrap().severity, Severity::Info);
        let bbr = Some(CongestionName::new(b"bbr"));
        let ignored = Evidence { congestion: bbr, ..lossy(140) };
        assert_eq!(judged(&RULE, ignored).unwrap().severity, Severity::Info);
        let own = Evidence { thresholds: Some([20, 24]), ..lossy(140) };
        assert_eq!(judged(&RULE, own).unwrap().severity, Severity::Info);
    }

    /// 0.4 % on a path of 40 ms: reno carries 0.70 MB/s of a bulk transfer.
    #[test]
    fn loss_below_one_percent_may_limit_the_rate() {
        let held = Evidence {
            mean_rtt_us: Some(40_000),
            min_rtt_us: Some(39_000),
            bytes_acked: 6_300_000,
            data_segs_out: 4_400,
            ..lossy(18).shows(Sign::CwndFull, 9)
        };
        let found = judged(&RULE, held).unwrap();
        assert_eq!(found.severity, Severity::Warning);
        let carried = found.evidence.iter().find(|it| it.field == "carried_rate").unwrap().value;
        assert!((carried - 693_000.0).abs() < 2_000.0, "{carried}");
        assert!(found.cause.unwrap().contains("reno carries about 5.5"));
        for other in [
            // Nothing more to send, another limit, a rate that loss does not explain, bbr.
            Evidence { ..lossy(18) },
            Evidence { rwnd_limited_us: Some(5_000_000), ..held },
            Evidence { bytes_acked: 60_000_000, data_segs_out: 42_000, ..held },
            Evidence { bytes_acked: 600_000, ..held },
            Evidence { congestion: Some(CongestionName::new(b"bbr")), ..held },
            Evidence { thresholds: Some([10, 13]), ..held },
            Evidence { min_rtt_us: Some(34_000), ..held },
            held.shows(Sign::Queued, 5),
            Evidence { retrans: 4, ..held },
        ] {
            assert_eq!(judged(&RULE, other), None, "{other:?}");
        }
        let fast = Evidence {
            mean_rtt_us: Some(100),
            min_rtt_us: Some(90),
            bytes_acked: 2_500_000_000,
            ..held
        };
        assert_eq!(judged(&RULE, fast).unwrap().severity, Severity::Info);
    }
}
