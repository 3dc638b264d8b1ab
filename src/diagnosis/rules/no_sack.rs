//! TD143: no SACK or no timestamps.

use crate::diagnosis::connection_history::{SACK, TIMESTAMPS};
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};
use crate::model::State;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD143",
    name: "no-sack",
    title: "no SACK or no timestamps",
    scope: RuleScope::Connection,
    meaning: "The connection does without selective acknowledgements or timestamps. Without SACK only one lost segment can be repaired per round trip; without timestamps round trips are measured less often, and old segments of fast connections are not told from new ones.",
    evidence: "options without SACK or timestamps; retransmits",
    guards: "Only connections that carried data are mentioned. It is information until segments are lost without SACK.",
    seen_from: "both sides",
    other_side: "The same option is missing there; whoever's SYN had none is to be asked.",
    advice: &[
        Advice::by(
            "Here net.ipv4.tcp_sack = {net.ipv4.tcp_sack}, net.ipv4.tcp_timestamps = {net.ipv4.tcp_timestamps}; both have to be 1 on both ends.",
            "tcpdiag sysctl tcp_sack tcp_timestamps",
        ),
        Advice::new("If both have them, a middlebox strips the options."),
    ],
    references: &["RFC 2018", "RFC 7323 3", "tcp_parse_options() in net/ipv4/tcp_input.c"],
    explained_by: &[],
    limits: &[
        Limit::new("least", 65_536.0, "bytes", "sent or received at least"),
        Limit::new("lost", 3.0, "segments", "retransmitted, from where on a missing SACK hurts"),
    ],
    offers: &[],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const LEAST: usize = 0;
const LOST: usize = 1;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let evidence = case.evidence;
    let carried = evidence.bytes_acked.max(evidence.bytes_received) as f64;
    let connected = matches!(evidence.state, State::Established | State::CloseWait);
    let (sack, timestamps) = (evidence.options & SACK != 0, evidence.options & TIMESTAMPS != 0);
    if !connected || sack && timestamps || carried < case.limit(LEAST) {
        return None;
    }
    let hurts = !sack && evidence.retrans as f64 >= case.limit(LOST);
    let severity = if hurts { Severity::Warning } else { Severity::Info };
    let flag = |on: bool| if on { 1.0 } else { 0.0 };
    Some(
        RuleMatch::new(severity, Confidence::High, evidence.retrans as f64)
            .with(Measure::new("sack", flag(sack), "flag"))
            .with(Measure::new("timestamps", flag(timestamps), "flag"))
            .with(
                Measure::new("total_retrans", evidence.retrans as f64, "segments")
                    .over(case.limit(LOST)),
            ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn information_until_it_hurts() {
        let of = |options, retrans| crate::diagnosis::Evidence { options, retrans, ..healthy() };
        assert_eq!(judged(&RULE, of(4, 0)).unwrap().severity, Severity::Info);
        assert_eq!(judged(&RULE, of(5, 9)).unwrap().severity, Severity::Warning);
        assert_eq!(judged(&RULE, of(6, 9)).unwrap().severity, Severity::Info);
        assert_eq!(judged(&RULE, of(7, 9)), None);
    }
}
