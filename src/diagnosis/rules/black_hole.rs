//! TD141: large segments do not arrive.

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
    guards: "Stuck segments are critical, since nothing more arrives. A segment size that has shrunk is a warning: the connection goes on. A peer that is gone looks the same if the first data sent to it is large. The confidence is therefore medium unless the segment size decreased. If full segments were acknowledged before and the peer is silent, it is TD122. If the same host acknowledges full segments of this size on other connections, large and small ones are lost alike.",
    seen_from: "the sender",
    other_side: "On the receiver the connection is idle since the handshake or the last small message.",
    advice: &[
        Advice::with_command(
            "Try different sizes: {size4} bytes pass where the MTU of the whole path is {pmtu}, as the kernel believes.",
            "ping -c 3 -M do -s {size4} {remote_address}",
        )
        .only_with("ipv4"),
        Advice::with_command(
            "Try different sizes: {size6} bytes pass where the MTU of the whole path is {pmtu}, as the kernel believes.",
            "ping -c 3 -M do -s {size6} {remote_address}",
        )
        .only_with("ipv6"),
        Advice::with_command(
            "The kernel does not probe for the path MTU (net.ipv4.tcp_mtu_probing = 0): let it when it suspects a black hole.",
            "sysctl -w net.ipv4.tcp_mtu_probing=1",
        )
        .only_with("unprobed"),
        Advice::new(
            "Repair the path: let ICMP type 3 code 4 and ICMPv6 type 2 pass, or clamp the MSS at the tunnel.",
        ),
    ],
    references: &["RFC 1191", "RFC 2923", "RFC 4821", "tcp_mtu_probing() in net/ipv4/tcp_timer.c"],
    explained_by: &["TD130"],
    limits: Limits::LIST,
    placeholders: &["remote_address", "ipv4", "ipv6", "pmtu", "size4", "size6", "unprobed"],
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
        return Some(rule_match(input, Confidence::High, Severity::Warning, shrunk));
    }
    let stuck = evidence.sends()
        && evidence.retransmits.max(evidence.backoff) as f64 >= limits.least
        && evidence.unacked > 0
        && evidence.send_queue >= evidence.mss
        && evidence.mss as f64 >= limits.mss
        && evidence.bytes_acked < evidence.mss
        // Where others arrive that are as large, size is not the cause.
        && input.peer_takes < evidence.mss;
    // A peer that still sends is up, and does not receive large segments.
    let peer_is_up = evidence.segs_in > 0
        && evidence.last_ack_recv_ms.is_some_and(|ms| ms < 2_000)
        && evidence.stalled_s * 1e3 >= 2_000.0;
    let never = evidence.bytes_acked_ever? < evidence.mss;
    (stuck && (never || peer_is_up))
        .then(|| rule_match(input, Confidence::Medium, Severity::Critical, evidence.mss))
}

fn rule_match(
    input: &RuleInput<'_>,
    confidence: Confidence,
    severity: Severity,
    effect: u64,
) -> RuleMatch {
    let evidence = input.evidence;
    let acked = evidence.bytes_acked_ever.unwrap_or(0) as f64;
    // The size that was believed before it shrank. A ping has a header of 8 bytes behind that of IP.
    let pmtu = evidence.largest_pmtu.max(evidence.pmtu);
    let size = |header: u64| pmtu.saturating_sub(header + 8).to_string();
    let rule_match = RuleMatch::new(severity, confidence, effect as f64)
        .with(Measure::new("snd_mss", evidence.mss as f64, "bytes"))
        .with(Measure::new("largest_mss", evidence.largest_mss as f64, "bytes"))
        .with(Measure::new("pmtu", evidence.pmtu as f64, "bytes"))
        .with(Measure::new("retransmits", evidence.retransmits as f64, "events"))
        .with(Measure::new("bytes_acked", acked, "bytes").over_lifetime())
        .with_word("pmtu", pmtu.to_string())
        .with_word("size4", size(20))
        .with_word("size6", size(40));
    match input.context.settings.number("tcp_mtu_probing") {
        Some(0) => rule_match.with_word("unprobed", ""),
        _ => rule_match,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Evidence;
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
        let found = judged(&RULE, shrunk).unwrap();
        assert_eq!(found.confidence, Confidence::High);
        let word = |name| found.words.iter().find(|(it, _)| *it == name).map(|(_, it)| it.as_str());
        assert_eq!(
            [word("pmtu"), word("size4"), word("size6")],
            ["1500", "1472", "1452"].map(Some)
        );
        assert_eq!(judged(&RULE, healthy()), None);
    }

    #[test]
    fn a_host_that_takes_others_as_large_takes_these() {
        let stuck = Evidence {
            unacked: 10,
            send_queue: 78_192,
            retransmits: 4,
            bytes_acked_ever: Some(1),
            bytes_acked: 0,
            ..healthy()
        };
        let context = crate::diagnosis::testing::context();
        let found = |peer_takes| {
            let input =
                RuleInput { evidence: &stuck, peer_takes, full_listener: None, context: &context };
            judge(&input, &crate::diagnosis::RuleLimits::default().black_hole)
        };
        assert!(found(0).is_some());
        assert!(found(536).is_some(), "smaller ones");
        assert_eq!(found(stuck.mss), None);
    }
}
