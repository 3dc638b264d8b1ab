//! TD103: limited by congestion on the path.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};
use crate::diagnosis::sign::Sign;

limits! {
    share: 0.5, "share", "share of the polls with the window used up";
    loss: 0.002, "share", "share of the segments that were retransmitted";
    least: 5.0, "segments", "least number of retransmitted segments";
    critical: 0.1, "share", "share of the segments that were retransmitted, from which it is critical";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD103",
    name: "congested-path",
    title: "limited by congestion on the path",
    scope: RuleScope::Connection,
    meaning: "The congestion window is used up at most polls, segments are lost, and round trips grow with the data in flight: the connection fills its share of a bottleneck, whose queue overflows. It cannot get more than that share.",
    evidence: "unacked against snd_cwnd, rtt against min_rtt, growth of total_retrans against data_segs_out",
    guards: "Loss without growing round trips is not a queue that overflows: that is TD110. Connections that a window or a buffer limits are not limited by the network. A transfer that loses less than the limit is left alone: that is how a healthy sender uses a bottleneck.",
    seen_from: "the sender",
    other_side: "On the receiver rcv_ooopack grows; nothing else shows it.",
    advice: &[
        Advice::new(
            "Add bandwidth or reduce traffic: see which other connections share the path. Limit the rate of those that fill the bottleneck (SO_MAX_PACING_RATE), or put a shaper with a short queue (fq_codel, cake) in front of it.",
        ),
        Advice::with_command(
            "Congestion control on this host is {net.ipv4.tcp_congestion_control}. bbr fills a bottleneck with less loss. The setting is for connections that are opened after it.",
            "sysctl -w net.ipv4.tcp_congestion_control=bbr",
        )
        .only_with("bbr"),
    ],
    references: &["RFC 5681", "RFC 9438", "tcp_is_cwnd_limited() in include/net/tcp.h"],
    explained_by: &["TD101", "TD102", "TD130"],
    limits: Limits::LIST,
    placeholders: &["bbr"],
    judge: Judge::Connection(|input, limits| {
        judge(input, &limits.congestion, limits.loss.queued)
    }),
};

/// `least_queued`: the share of polls with longer round trips from which a queue is likely (TD110).
fn judge(input: &RuleInput<'_>, limits: &Limits, least_queued: f64) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let loss = evidence.retransmitted_share();
    let full = evidence.share_of_polls(Sign::CwndFull);
    let queued = evidence.share_of_polls(Sign::Queued);
    if full < limits.share
        || loss < limits.loss
        || (evidence.retrans as f64) < limits.least
        || queued < least_queued
    {
        return None;
    }
    let severity = match loss {
        _ if loss >= limits.critical => Severity::Critical,
        _ if loss >= 10.0 * limits.loss => Severity::Warning,
        _ => Severity::Info,
    };
    let rule_match = RuleMatch::new(severity, Confidence::Medium, loss)
        .with(Measure::new("cwnd_full_share", full, "share").over(limits.share))
        .with(Measure::new("retrans_share", loss, "share").over(limits.loss))
        .with(Measure::new("snd_cwnd", evidence.cwnd as f64, "segments"))
        .with_known(evidence.rtt_us.map(|us| Measure::new("rtt", us as f64, "us")));
    Some(match input.context.can_switch_to_bbr() {
        true => rule_match.with_word("bbr", ""),
        false => rule_match,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn full_window_with_loss_and_a_queue() {
        let full = healthy().shows(Sign::CwndFull, 9).shows(Sign::Queued, 8);
        let lossy = crate::diagnosis::Evidence { retrans: 210, ..full };
        assert_eq!(judged(&RULE, lossy).unwrap().severity, Severity::Warning);
        assert_eq!(judged(&RULE, full), None, "no loss");
        assert_eq!(judged(&RULE, crate::diagnosis::Evidence { retrans: 4, ..full }), None);
        let straight = healthy().shows(Sign::CwndFull, 9);
        let straight = crate::diagnosis::Evidence { retrans: 210, ..straight };
        assert_eq!(judged(&RULE, straight), None, "no queue");
    }
}
