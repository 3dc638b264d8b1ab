//! TD141: large segments do not arrive.

use crate::diagnosis::evidence::Evidence;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD141",
    name: "mtu-black-hole",
    title: "large segments do not arrive",
    scope: RuleScope::Connection,
    meaning: "Small segments get through and full ones do not: some hop has a smaller MTU and drops them, and its message about that (ICMP fragmentation needed, packet too big) is filtered. Or the segment size has just shrunk, because such a message came or the kernel found out by itself.",
    evidence: "a full segment in flight that is not acknowledged after timeouts, on a connection of which none ever was, or whose peer goes on to speak; or snd_mss or pmtu that fell",
    guards: "A peer that is gone looks alike where the first thing it is sent is large: hence medium confidence, unless the segment size fell. Where full segments were acknowledged before and the peer is silent it is TD122.",
    seen_from: "the sender",
    other_side: "On the receiver: the connection is idle since the handshake or the last small message.",
    advice: &[
        Advice::by(
            "Try the sizes: this passes with 1472 on a path of 1500 bytes.",
            "ping -c 3 -M do -s 1472 {remote_address}",
        ),
        Advice::by(
            "Let the kernel find out by itself (net.ipv4.tcp_mtu_probing = {net.ipv4.tcp_mtu_probing}; 1: once it suspects a black hole).",
            "sysctl -w net.ipv4.tcp_mtu_probing=1",
        ),
        Advice::new(
            "Repair the path: let ICMP type 3 code 4 and ICMPv6 type 2 pass, or clamp the MSS at the tunnel.",
        ),
    ],
    references: &["RFC 1191", "RFC 2923", "RFC 4821", "tcp_mtu_probing() in net/ipv4/tcp_timer.c"],
    explained_by: &["TD130"],
    limits: &[
        Limit::new("least", 2.0, "events", "timeouts in a row"),
        Limit::new("mss", 1000.0, "bytes", "from which a segment is large"),
    ],
    offers: &["remote_address"],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const LEAST: usize = 0;
const MSS: usize = 1;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let evidence = case.evidence;
    let shrunk = evidence.largest_mss.saturating_sub(evidence.mss);
    let pmtu = evidence.largest_pmtu.saturating_sub(evidence.pmtu);
    // The window and options move the size by a little.
    if evidence.sends()
        && evidence.data_segs_out > 0
        && (shrunk.min(pmtu) >= 40 || shrunk >= 200 && evidence.retrans > 0)
    {
        return Some(rule_match(evidence, Confidence::High, Severity::Warning, shrunk));
    }
    let stuck = evidence.sends()
        && evidence.retransmits.max(evidence.backoff) as f64 >= case.limit(LEAST)
        && evidence.unacked > 0
        && evidence.send_queue >= evidence.mss
        && evidence.mss as f64 >= case.limit(MSS)
        && evidence.bytes_acked < evidence.mss;
    // A peer that goes on to speak is there, and does not get what is large.
    let alive = evidence.segs_in > 0
        && evidence.last_ack_recv_ms < 2_000
        && evidence.stalled_s * 1e3 >= 2_000.0;
    let never = evidence.bytes_acked_ever? < evidence.mss;
    (stuck && (never || alive))
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
        .with(Measure::new("bytes_acked", acked, "bytes").of_its_life())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn full_segments_only() {
        let stuck = Evidence {
            unacked: 1,
            send_queue: 20_000,
            retransmits: 3,
            bytes_acked_ever: Some(200),
            bytes_acked: 100,
            last_ack_recv_ms: 9_000,
            ..healthy()
        };
        assert_eq!(judged(&RULE, stuck).unwrap().confidence, Confidence::Medium);
        assert_eq!(judged(&RULE, Evidence { bytes_acked_ever: Some(90_000), ..stuck }), None);
        assert_eq!(judged(&RULE, Evidence { send_queue: 100, ..stuck }), None);
        let spoken_to = Evidence {
            bytes_acked_ever: Some(90_000),
            stalled_s: 4.0,
            last_ack_recv_ms: 100,
            ..stuck
        };
        assert!(judged(&RULE, spoken_to).is_some());
        let shrunk = Evidence { mss: 1348, pmtu: 1400, ..healthy() };
        assert_eq!(judged(&RULE, shrunk).unwrap().confidence, Confidence::High);
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
