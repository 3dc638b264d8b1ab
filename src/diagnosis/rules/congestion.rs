//! TD103: held back by congestion on the path.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};
use crate::diagnosis::sign::Sign;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD103",
    name: "congested-path",
    title: "held back by congestion on the path",
    scope: RuleScope::Connection,
    meaning: "The congestion window is used up at most looks, segments are lost and round trips grow with what is in flight: the connection fills its share of a bottleneck, and its queue overflows. More than that share is not to be had.",
    evidence: "unacked against snd_cwnd, rtt against min_rtt, growth of total_retrans against data_segs_out",
    guards: "Loss without a growing round trip is no queue that overflows: that is TD110. One that is held back by a window or a buffer is not held back by the network. A transfer that loses less than the limit is what a bottleneck looks like to a healthy sender, and left alone.",
    seen_from: "the sender",
    other_side: "On the receiver rcv_ooopack grows, and nothing else tells.",
    advice: &[
        Advice::new(
            "More bandwidth, or less traffic: see which other connections share the path. Whoever fills the bottleneck can be told to pace (SO_MAX_PACING_RATE), or be given a shaper with a short queue (fq_codel, cake) in front of it.",
        ),
        Advice::by(
            "Congestion control here is {net.ipv4.tcp_congestion_control}, and there is {net.ipv4.tcp_available_congestion_control}: bbr, where it is among them, fills a bottleneck with less loss.",
            "sysctl -w net.ipv4.tcp_congestion_control=bbr",
        ),
    ],
    references: &["RFC 5681", "RFC 9438", "tcp_is_cwnd_limited() in include/net/tcp.h"],
    explained_by: &["TD101", "TD102", "TD130"],
    limits: &[
        Limit::new("share", 0.5, "share", "of the looks that found the window used up"),
        Limit::new("loss", 0.002, "share", "of the segments that were retransmitted"),
        Limit::new("least", 5.0, "segments", "retransmitted at least"),
    ],
    offers: &[],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const SHARE: usize = 0;
const LOSS: usize = 1;
const LEAST: usize = 2;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let evidence = case.evidence;
    let loss = evidence.retransmitted_share();
    let full = evidence.share_of_looks(Sign::CwndFull);
    let queued = evidence.share_of_looks(Sign::Queued);
    if full < case.limit(SHARE)
        || loss < case.limit(LOSS)
        || (evidence.retrans as f64) < case.limit(LEAST)
        || queued < 0.3
    {
        return None;
    }
    let severity = if loss >= 10.0 * case.limit(LOSS) { Severity::Warning } else { Severity::Info };
    Some(
        RuleMatch::new(severity, Confidence::Medium, loss)
            .with(Measure::new("cwnd_full_share", full, "share").over(case.limit(SHARE)))
            .with(Measure::new("retrans_share", loss, "share").over(case.limit(LOSS)))
            .with(Measure::new("snd_cwnd", evidence.cwnd as f64, "segments"))
            .with(Measure::new("rtt", evidence.rtt_us as f64, "us")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn a_full_window_that_loses_behind_a_queue() {
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
