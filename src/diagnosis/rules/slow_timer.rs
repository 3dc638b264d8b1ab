//! TD121: a retransmission timer far above the round trip.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};

limits! {
    least: 1000.0, "ms", "least value of the timer in milliseconds";
    times: 4.0, "times", "multiple of rtt + 4 rttvar";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD121",
    name: "slow-timer",
    title: "a retransmission timer far above the round trip",
    scope: RuleScope::Connection,
    meaning: "The retransmission timer is much longer than the round trips explain: after the next loss the connection waits that long.",
    evidence: "rto at every poll against rtt and rttvar; backoff",
    guards: "If the timer doubles because nothing is acknowledged, that is the finding (TD112, TD122, TD130, TD141, TD150, TD151, TD153). Only connections that sent data are judged. It is information as long as nothing is sent again: nobody has waited for the timer. A route that sets rto_min may do so on purpose.",
    seen_from: "the sender",
    other_side: "On the receiver nothing shows it.",
    advice: &[
        Advice::new(
            "The timer doubles with each timeout in a row: find out why nothing is acknowledged.",
        )
        .only_with("backed_off"),
        Advice::with_command(
            "Nothing but a setting makes it so long: see whether the route has rto_min.",
            "ip route get {remote_address}",
        )
        .only_with("set"),
    ],
    references: &["RFC 6298", "__tcp_set_rto() in net/ipv4/tcp_input.c"],
    explained_by: &["TD112", "TD122", "TD130", "TD141", "TD150", "TD151", "TD153"],
    limits: Limits::LIST,
    placeholders: &["remote_address", "backed_off", "set"],
    judge: Judge::Connection(|input, limits| judge(input, &limits.slow_timer)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let rtt = evidence.rtt_us?;
    let usual = (rtt + 4 * evidence.rttvar_us.unwrap_or(0)) as f64;
    let backed_off = evidence.backoff >= 2 && evidence.unacked > 0;
    // A single late answer raises it only for a while.
    let rto = if backed_off { evidence.rto_us } else { evidence.least_rto_us } as f64;
    let high = rto >= limits.least * 1e3 && rto >= usual * limits.times;
    if !evidence.sends() || evidence.data_segs_out < 2 || !(high || backed_off) {
        return None;
    }
    // Without loss nobody waits for the timer.
    let severity = if evidence.retrans > 0 { Severity::Warning } else { Severity::Info };
    Some(
        RuleMatch::new(severity, Confidence::Medium, rto)
            .with(Measure::new("rto", rto, "us").over(limits.least * 1e3))
            .with(Measure::new("rtt", rtt as f64, "us"))
            .with(Measure::new("backoff", evidence.backoff as f64, "times"))
            .with_word(if backed_off { "backed_off" } else { "set" }, ""),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn timer_is_higher_than_round_trips_explain() {
        let timer =
            |rto_us| crate::diagnosis::Evidence { rto_us, least_rto_us: rto_us, ..healthy() };
        assert_eq!(judged(&RULE, timer(3_000_000)).unwrap().severity, Severity::Info);
        let lossy = crate::diagnosis::Evidence { retrans: 1, ..timer(3_000_000) };
        assert_eq!(judged(&RULE, lossy).unwrap().severity, Severity::Warning);
        assert_eq!(judged(&RULE, timer(204_000)), None);
        let far = crate::diagnosis::Evidence {
            rtt_us: Some(700_000),
            rttvar_us: Some(100_000),
            ..timer(1_200_000)
        };
        assert_eq!(judged(&RULE, far), None);
        let unused = crate::diagnosis::Evidence { data_segs_out: 0, ..timer(3_000_000) };
        assert_eq!(judged(&RULE, unused), None);
        let falls = crate::diagnosis::Evidence { least_rto_us: 210_000, ..timer(3_000_000) };
        assert_eq!(judged(&RULE, falls), None);
    }
}
