//! TD140: an unusually small segment size.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};

limits! {
    mss: 1000.0, "bytes", "segment size below which it is small";
    filled: 0.5, "share", "share of the segment size that segments hold on average, below which it is information";
    least: 20.0, "segments", "least number of segments sent with data";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD140",
    name: "small-mss",
    title: "an unusually small segment size",
    scope: RuleScope::Connection,
    meaning: "Full segments carry very little data, so headers and per-packet work dominate. Possible causes: a tunnel with a small MTU, a device on the path that lowers the MSS, or a path MTU that was learnt too small.",
    evidence: "snd_mss against the usual 1448; advmss, pmtu",
    guards: "Segments that are not filled (limit filled) lose nothing by being small: that is information. Only connections that sent data are judged. Connections to a peer whose window is smaller than two segments are left out, because that limits the size too (tcp_bound_to_half_wnd()).",
    seen_from: "the sender",
    other_side: "On the receiver check rcv_mss and its own advmss. The cause is on the side that advertises less than its interface's MTU allows.",
    advice: &[
        Advice::with_command(
            "This side has a small MTU: see the interface, the route and the path MTU that it has learnt.",
            "ip route get {remote_address}",
        )
        .only_with("own"),
        Advice::new(
            "The peer or a device on the path asked for it: look at the MTU of the peer's interface, and for a rule that clamps the MSS (`iptables ... --set-mss`).",
        )
        .only_with("asked"),
    ],
    references: &["RFC 9293 3.7.1", "RFC 8201", "tcp_sync_mss() in net/ipv4/tcp_output.c"],
    explained_by: &["TD141"],
    limits: Limits::LIST,
    placeholders: &["remote_address", "own", "asked"],
    judge: Judge::Connection(|input, limits| judge(input, &limits.small_segments)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let mss = evidence.mss as f64;
    let small_window = evidence.snd_wnd.is_some_and(|window| window < 2 * evidence.mss.max(536));
    if mss == 0.0
        || mss >= limits.mss
        || (evidence.data_segs_out as f64) < limits.least
        || small_window
    {
        return None;
    }
    // Small messages do not fill small segments either: larger ones would save nothing.
    let payload = evidence.bytes_acked as f64 / evidence.data_segs_out as f64;
    let is_filled = payload >= limits.filled * mss;
    let severity = if is_filled { Severity::Warning } else { Severity::Info };
    let is_own = (evidence.advmss as f64) < limits.mss || (evidence.pmtu as f64) < limits.mss;
    Some(
        RuleMatch::new(severity, Confidence::High, 1.0 / mss)
            .with(Measure::new("snd_mss", mss, "bytes").over(limits.mss))
            .with(Measure::new("bytes_per_segment", payload, "bytes"))
            .with(Measure::new("advmss", evidence.advmss as f64, "bytes"))
            .with(Measure::new("pmtu", evidence.pmtu as f64, "bytes"))
            .with_word(if is_own { "own" } else { "asked" }, ""),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn small_segments_with_data() {
        let of = |mss| crate::diagnosis::Evidence { mss, ..healthy() };
        let has = |found: &RuleMatch, word| found.words.iter().any(|(name, _)| *name == word);
        let found = judged(&RULE, of(524)).unwrap();
        assert!(found.severity == Severity::Warning && has(&found, "asked"));
        let tunnel = crate::diagnosis::Evidence { pmtu: 576, ..of(524) };
        assert!(has(&judged(&RULE, tunnel).unwrap(), "own"));
        // Messages of 100 bytes.
        let messages = crate::diagnosis::Evidence { bytes_acked: 700_000, ..of(524) };
        assert_eq!(judged(&RULE, messages).unwrap().severity, Severity::Info);
        assert_eq!(judged(&RULE, of(1208)), None);
        let idle = crate::diagnosis::Evidence { data_segs_out: 2, ..of(524) };
        assert_eq!(judged(&RULE, idle), None);
        let narrow = crate::diagnosis::Evidence { snd_wnd: Some(600), ..of(524) };
        assert_eq!(judged(&RULE, narrow), None);
    }
}
