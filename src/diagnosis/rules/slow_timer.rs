//! TD121: a retransmission timer far above the round trip.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD121",
    name: "slow-timer",
    title: "a retransmission timer far above the round trip",
    scope: RuleScope::Connection,
    meaning: "The retransmission timer stands much higher than round trips explain: one more loss, and the connection waits that long.",
    evidence: "rto at every look against rtt and rttvar; backoff",
    guards: "While the timer is doubling because nothing comes back, that is the finding (TD112, TD122, TD130, TD141, TD150, TD151, TD153). Only connections that sent something are looked at.",
    seen_from: "the sender",
    other_side: "On the receiver nothing tells.",
    advice: &[
        Advice::new(
            "Round trips that differ widely raise it (four times rttvar is added): look for what makes them jump. A route may also set it.",
        ),
        Advice::by("See whether a route says rto_min.", "ip route get {remote_address}"),
    ],
    references: &["RFC 6298", "__tcp_set_rto() in net/ipv4/tcp_input.c"],
    explained_by: &["TD112", "TD122", "TD130", "TD141", "TD150", "TD151", "TD153"],
    limits: &[
        Limit::new("least", 1000.0, "ms", "of the timer"),
        Limit::new("times", 4.0, "times", "rtt + 4 rttvar"),
    ],
    offers: &["remote_address"],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const LEAST: usize = 0;
const TIMES: usize = 1;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let evidence = case.evidence;
    let usual = (evidence.rtt_us + 4 * evidence.rttvar_us) as f64;
    let backed_off = evidence.backoff >= 2 && evidence.unacked > 0;
    // After a single late answer it is high for a while, and falls.
    let rto = if backed_off { evidence.rto_us } else { evidence.least_rto_us } as f64;
    let high = rto >= case.limit(LEAST) * 1e3 && rto >= usual * case.limit(TIMES);
    if !evidence.sends()
        || evidence.data_segs_out < 2
        || evidence.rtt_us == 0
        || !(high || backed_off)
    {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Warning, Confidence::Medium, rto)
            .with(Measure::new("rto", rto, "us").over(case.limit(LEAST) * 1e3))
            .with(Measure::new("rtt", evidence.rtt_us as f64, "us"))
            .with(Measure::new("backoff", evidence.backoff as f64, "times")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn above_what_round_trips_explain() {
        let timer =
            |rto_us| crate::diagnosis::Evidence { rto_us, least_rto_us: rto_us, ..healthy() };
        assert!(judged(&RULE, timer(3_000_000)).is_some());
        assert_eq!(judged(&RULE, timer(204_000)), None);
        let far =
            crate::diagnosis::Evidence { rtt_us: 700_000, rttvar_us: 100_000, ..timer(1_200_000) };
        assert_eq!(judged(&RULE, far), None);
        let unused = crate::diagnosis::Evidence { data_segs_out: 0, ..timer(3_000_000) };
        assert_eq!(judged(&RULE, unused), None);
        let falls = crate::diagnosis::Evidence { least_rto_us: 210_000, ..timer(3_000_000) };
        assert_eq!(judged(&RULE, falls), None);
    }
}
