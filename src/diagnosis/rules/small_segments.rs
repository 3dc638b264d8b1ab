//! TD140: an unusually small segment size.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD140",
    name: "small-mss",
    title: "an unusually small segment size",
    scope: RuleScope::Connection,
    meaning: "Full segments carry very little, so that headers and per-packet work dominate: a tunnel with a small MTU, an option on the way that lowers the MSS, or a path whose MTU was learnt too small.",
    evidence: "snd_mss against the usual 1448; advmss, pmtu",
    guards: "Only connections that sent data are looked at. A peer whose window is smaller than two segments bounds the size too (tcp_bound_to_half_wnd()), and is left out.",
    seen_from: "the sender",
    other_side: "On the receiver: rcv_mss and its own advmss; whoever advertises less than its interface's MTU allows is to be asked.",
    advice: &[
        Advice::by(
            "See what the route and the cache of path MTUs say.",
            "ip route get {remote_address}",
        ),
        Advice::new(
            "If advmss is small here, the interface or route has a small MTU; if it is not, the peer or something on the way asked for it (`iptables ... --set-mss`).",
        ),
    ],
    references: &["RFC 9293 3.7.1", "RFC 8201", "tcp_sync_mss() in net/ipv4/tcp_output.c"],
    explained_by: &["TD141"],
    limits: &[
        Limit::new("mss", 1000.0, "bytes", "below which a segment is small"),
        Limit::new("least", 20.0, "segments", "with data sent at least"),
    ],
    offers: &["remote_address"],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const MSS: usize = 0;
const LEAST: usize = 1;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let evidence = case.evidence;
    let mss = evidence.mss as f64;
    let small_window = evidence.snd_wnd.is_some_and(|window| window < 2 * evidence.mss.max(536));
    if mss == 0.0
        || mss >= case.limit(MSS)
        || (evidence.data_segs_out as f64) < case.limit(LEAST)
        || small_window
    {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Warning, Confidence::High, 1.0 / mss)
            .with(Measure::new("snd_mss", mss, "bytes").over(case.limit(MSS)))
            .with(Measure::new("advmss", evidence.advmss as f64, "bytes"))
            .with(Measure::new("pmtu", evidence.pmtu as f64, "bytes")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn small_and_in_use() {
        let of = |mss| crate::diagnosis::Evidence { mss, ..healthy() };
        assert!(judged(&RULE, of(524)).is_some());
        assert_eq!(judged(&RULE, of(1208)), None);
        let idle = crate::diagnosis::Evidence { data_segs_out: 2, ..of(524) };
        assert_eq!(judged(&RULE, idle), None);
        let narrow = crate::diagnosis::Evidence { snd_wnd: Some(600), ..of(524) };
        assert_eq!(judged(&RULE, narrow), None);
    }
}
