//! TD141: large segments do not arrive.

use crate::diagnosis::evidence::Evidence;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};

limits! {
    least: 2.0, "events", "timeouts in a row";
    mss: 1000.0, "bytes", "segment size from which it is large";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD141",
    name: "mtu-black-hole",
    title: "large segments do not arrive",
    scope: RuleScope::Connection,
    meaning: "Small segments arrive and full ones do not: a hop with a smaller MTU drops them, and the message about it (ICMP fragmentation needed, packet too big) is filtered. Or the segment size has just shrunk, because such a message arrived or the kernel probed the MTU.",
    evidence: "a full segment in flight that is not acknowledged after timeouts, if the connection never had a full segment acknowledged or if the peer still sends; or a decrease of snd_mss or pmtu",
    guards: "A peer that is gone looks the same if the first data sent to it is large. The confidence is therefore medium unless the segment size decreased. If full segments were acknowledged before and the peer is silent, it is TD122.",
    seen_from: "the sender",
    other_side: "On the receiver the connection is idle since the handshake or the last small message.",
    advice: &[
        Advice::with_command(
            "Try different sizes: 1472 passes on a path with an MTU of 1500 bytes.",
            "ping -c 3 -M do -s 1472 {remote_address}",
        ),
        Advice::with_command(
            "Let the kernel probe for the path MTU (net.ipv4.tcp_mtu_probing = {net.ipv4.tcp_mtu_probing}; 1: when it suspects a black hole).",
            "sysctl -w net.ipv4.tcp_mtu_probing=1",
        ),
        Advice::new(
            "Repair the path: let ICMP type 3 code 4 and ICMPv6 type 2 pass, or clamp the MSS at the tunnel.",
        ),
    ],
    references: &["RFC 1191", "RFC 2923", "RFC 4821", "tcp_mtu_probing() in net/ipv4/tcp_timer.c"],
    explained_by: &["TD130"],
    limits: Limits::LIST,
    placeholders: &["remote_address"],
    judge: Judge::Connection(|input, limits| judge(input, &limits.black_hole)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let shrunk = evidence.largest_mss.saturating_sub(evidence.mss);
    let pmtu = evidence.largest_pmtu.saturating_sub(evidence.pmtu);
    // The window and options change the size by a few bytes.
    if evidence.sends()
        && evidence.data_segs_out > 0
        && (shrunk.min(pmtu) >= 40 || shrunk >= 200 && evidence.retrans > 0)
    {
        return Some(rule_match(evidence, Confidence::High, Severity::Warning, shrunk));
    }
    let stuck = evidence.sends()
        && evidence.retransmits.max(evidence.backoff) as f64 >= limits.least
        && evidence.unacked > 0
        && evidence.send_queue >= evidence.mss
        && evidence.mss as f64 >= limits.mss
        && evidence.bytes_acked < evidence.mss;
    // A peer that still sends is up, and does not receive large segments.
    let peer_is_up = evidence.segs_in > 0
        && evidence.last_ack_recv_ms.is_some_and(|ms| ms < 2_000)
        && evidence.stalled_s * 1e3 >= 2_000.0;
    let never = evidence.bytes_acked_ever? < evidence.mss;
    (stuck && (never || peer_is_up))
        .then(|| rule_match(evidence, Confidence::Medium, Severity::Critical, evidence.mss))
}

fn rule_match(
    evidence: &Evidence,
    confidence: Confidence,
    severity: Severity,
    effect: u64,
) -> RuleMatch {
    let acked = evidence.bytes_acked_ever.unwrap_or(0) as f64;
    RuleMatch::new(severity, confidence, effect as f64)
        .with(Measure::new("snd_mss", evidence.mss as f64, "bytes"))
        .with(Measure::new("largest_mss", evidence.largest_mss as f64, "bytes"))
        .with(Measure::new("pmtu", evidence.pmtu as f64, "bytes"))
        .with(Measure::new("retransmits", evidence.retransmits as f64, "events"))
        .with(Measure::new("bytes_acked", acked, "bytes").over_lifetime())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn only_full_segments_are_lost() {
        let stuck = Evidence {
            unacked: 1,
            send_queue: 20_000,
            retransmits: 3,
            bytes_acked_ever: Some(200),
            bytes_acked: 100,
            last_ack_recv_ms: Some(9_000),
            ..healthy()
        };
        assert_eq!(judged(&RULE, stuck).unwrap().confidence, Confidence::Medium);
        assert_eq!(judged(&RULE, Evidence { bytes_acked_ever: Some(90_000), ..stuck }), None);
        assert_eq!(judged(&RULE, Evidence { send_queue: 100, ..stuck }), None);
        let peer_sends = Evidence {
            bytes_acked_ever: Some(90_000),
            stalled_s: 4.0,
            last_ack_recv_ms: Some(100),
            ..stuck
        };
        assert!(judged(&RULE, peer_sends).is_some());
        let shrunk = Evidence { mss: 1348, pmtu: 1400, ..healthy() };
        assert_eq!(judged(&RULE, shrunk).unwrap().confidence, Confidence::High);
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
