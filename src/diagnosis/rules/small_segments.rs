//! TD140: an unusually small segment size.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};

limits! {
    mss: 1000.0, "bytes", "segment size below which it is small";
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
    guards: "Only connections that sent data are judged. Connections to a peer whose window is smaller than two segments are left out, because that limits the size too (tcp_bound_to_half_wnd()).",
    seen_from: "the sender",
    other_side: "On the receiver check rcv_mss and its own advmss. The cause is on the side that advertises less than its interface's MTU allows.",
    advice: &[
        Advice::with_command(
            "Check the route and the cached path MTU.",
            "ip route get {remote_address}",
        ),
        Advice::new(
            "If advmss is small here, the interface or the route has a small MTU. Otherwise the peer or a device on the path asked for it (`iptables ... --set-mss`).",
        ),
    ],
    references: &["RFC 9293 3.7.1", "RFC 8201", "tcp_sync_mss() in net/ipv4/tcp_output.c"],
    explained_by: &["TD141"],
    limits: Limits::LIST,
    placeholders: &["remote_address"],
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
    Some(
        RuleMatch::new(Severity::Warning, Confidence::High, 1.0 / mss)
            .with(Measure::new("snd_mss", mss, "bytes").over(limits.mss))
            .with(Measure::new("advmss", evidence.advmss as f64, "bytes"))
            .with(Measure::new("pmtu", evidence.pmtu as f64, "bytes")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn small_segments_with_data() {
        let of = |mss| crate::diagnosis::Evidence { mss, ..healthy() };
        assert!(judged(&RULE, of(524)).is_some());
        assert_eq!(judged(&RULE, of(1208)), None);
        let idle = crate::diagnosis::Evidence { data_segs_out: 2, ..of(524) };
        assert_eq!(judged(&RULE, idle), None);
        let narrow = crate::diagnosis::Evidence { snd_wnd: Some(600), ..of(524) };
        assert_eq!(judged(&RULE, narrow), None);
    }
}
