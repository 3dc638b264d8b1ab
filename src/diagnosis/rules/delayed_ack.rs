//! TD118: small writes wait for delayed acknowledgements.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};
use crate::diagnosis::sign::Sign;

limits! {
    looks: 0.2, "share", "share of the polls with a small write held back";
    least: 3.0, "looks", "least number of such polls";
    lossy: 0.05, "share", "share of the segments that were retransmitted, from which repairs hold small writes back";
    delay: 8.0, "ms", "milliseconds that the mean round trip is above the least one";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD118",
    name: "delayed-ack",
    title: "small writes wait for delayed acknowledgements",
    scope: RuleScope::Connection,
    meaning: "The program writes a message in several small pieces. The kernel sends the first one at once and holds the next until the peer has acknowledged it (Nagle's algorithm), and the peer delays its acknowledgement, by 40 ms on Linux and up to 200 ms elsewhere, because it has nothing to send yet: both wait for each other.",
    evidence: "polls with one segment in flight that is smaller than the MSS, less than an MSS unsent, and congestion window to spare; rtt against min_rtt",
    guards: "Little may be repeated, the peer's window has to have room, and the program may have set no rate. Round trips have to contain the delay of the acknowledgements: where the peer answers at once, holding small writes costs one round trip and saves segments. A program that holds data back itself (TCP_CORK, MSG_MORE) looks the same while a small segment is in flight.",
    seen_from: "the sender",
    other_side: "On the receiver the counter DelayedACKs grows. TCP_QUICKACK there helps only for a moment.",
    advice: &[Advice::with_command(
        "Write each message with one call (writev(), a buffer that is flushed), or set TCP_NODELAY in the program. Find the program.",
        "tcpdiag conns --remote-ip {remote_address} --processes --columns remote,notsent_bytes,unacked,rtt,min_rtt,process",
    )],
    references: &[
        "RFC 9293 3.7.4",
        "RFC 9293 3.8.6.3",
        "tcp_nagle_check() in net/ipv4/tcp_output.c, tcp_delack_timer() in net/ipv4/tcp_timer.c",
    ],
    explained_by: &["TD101", "TD130", "TD122"],
    limits: Limits::LIST,
    placeholders: &["remote_address"],
    judge: Judge::Connection(|input, limits| judge(input, &limits.delayed_ack)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let held = evidence.share_of_polls(Sign::SmallHeld);
    if held < limits.looks || f64::from(evidence.polls_with(Sign::SmallHeld)) < limits.least {
        return None;
    }
    let (mean, least) = (evidence.mean_rtt_us? as f64, evidence.min_rtt_us? as f64);
    let delay = (mean - least) / 1e3;
    if delay < limits.delay || evidence.retransmitted_share() >= limits.lossy {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Warning, Confidence::High, held * delay)
            .with(Measure::new("small_held_looks", held, "share").over(limits.looks))
            .with(Measure::new("mean_rtt", mean, "us").over(least + limits.delay * 1e3))
            .with(Measure::new("min_rtt", least, "us"))
            .with(Measure::new("data_segs_out", evidence.data_segs_out as f64, "segments")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Evidence;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn held_writes_and_late_acknowledgements() {
        let held = |looks, mean_rtt_us| Evidence {
            mean_rtt_us: Some(mean_rtt_us),
            min_rtt_us: Some(300),
            ..healthy().shows(Sign::SmallHeld, looks)
        };
        assert_eq!(judged(&RULE, held(8, 30_000)).unwrap().severity, Severity::Warning);
        assert_eq!(judged(&RULE, held(2, 30_000)), None, "seldom");
        assert_eq!(judged(&RULE, held(8, 900)), None, "the peer answers at once");
        let lossy = |retrans| Evidence { retrans, ..held(8, 30_000) };
        let sent = healthy().data_segs_out;
        assert!(judged(&RULE, lossy(sent / 25)).is_some(), "a little loss");
        assert_eq!(judged(&RULE, lossy(sent / 15)), None, "loss");
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
