//! TD112: retransmission timeouts.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};
use crate::diagnosis::sign::Sign;
use crate::model::State;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD112",
    name: "timeouts",
    title: "retransmission timeouts",
    scope: RuleScope::Connection,
    meaning: "The connection stood still until the retransmission timer fired, at least once: losses that neither duplicate acknowledgements nor probes could repair. Each costs 200 ms and more, and the window starts again from one segment.",
    evidence: "growth of total_rto and total_rto_time (Linux 6.7 and later); looks with retransmits above 0 before",
    guards: "Timeouts of a handshake are TD153, those of a peer that has gone TD122, of large segments only TD141, of closing connections TD151.",
    seen_from: "the sender",
    other_side: "On the receiver data comes after gaps of 200 ms and more; last_data_recv shows them.",
    advice: &[
        Advice::by(
            "See how long they take, and whether the peer answers at all.",
            "tcpdiag conns --remote-ip {remote_address} --columns remote,rtt,rto,total_rto,total_rto_time,backoff,lost --interval 1s",
        ),
        Advice::new(
            "Losses in bursts (a link that goes away, a policer, a failover) or of small windows end in timeouts; see which hop drops.",
        ),
    ],
    references: &["RFC 6298", "tcp_retransmit_timer() in net/ipv4/tcp_timer.c"],
    explained_by: &["TD122", "TD130", "TD141", "TD151", "TD153"],
    limits: &[
        Limit::new("least", 2.0, "events", "timeouts at least"),
        Limit::new(
            "critical",
            0.5,
            "share",
            "of the watched time spent in them, from where on it is critical",
        ),
    ],
    offers: &["remote_address"],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const LEAST: usize = 0;
const CRITICAL: usize = 1;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let evidence = case.evidence;
    if !evidence.sends() && !matches!(evidence.first_state, State::Established | State::CloseWait) {
        return None;
    }
    let told = evidence.timeouts;
    let seen = u64::from(evidence.looks_at(Sign::Timeout));
    let timeouts = told.unwrap_or(seen);
    if (timeouts as f64) < case.limit(LEAST) {
        return None;
    }
    let spent = evidence.timeout_ms.map(|ms| ms as f64 / 1e3);
    let share = spent.map_or(0.0, |spent| spent / evidence.watched_s.max(1.0));
    let critical = share >= case.limit(CRITICAL);
    let severity = if critical { Severity::Critical } else { Severity::Warning };
    let confidence = if told.is_some() { Confidence::High } else { Confidence::Medium };
    let rule_match = RuleMatch::new(severity, confidence, timeouts as f64)
        .with(Measure::new("total_rto", timeouts as f64, "events").over(case.limit(LEAST)))
        .with(Measure::new("rto", evidence.rto_us as f64, "us"));
    Some(match spent {
        Some(spent) => rule_match.with(Measure::new("total_rto_time", spent, "s")),
        None => rule_match,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn told_or_seen() {
        let waited = |timeouts| crate::diagnosis::Evidence {
            timeouts: Some(timeouts),
            timeout_ms: Some(1_500),
            ..healthy()
        };
        assert_eq!(judged(&RULE, waited(1)), None);
        assert_eq!(judged(&RULE, waited(3)).unwrap().severity, Severity::Warning);
        let long = crate::diagnosis::Evidence { timeout_ms: Some(7_000), ..waited(3) };
        assert_eq!(judged(&RULE, long).unwrap().severity, Severity::Critical);
        let old = crate::diagnosis::Evidence { timeouts: None, timeout_ms: None, ..healthy() };
        assert_eq!(judged(&RULE, old), None);
        let seen = judged(&RULE, old.shows(Sign::Timeout, 4)).unwrap();
        assert_eq!(seen.confidence, Confidence::Medium);
        // A handshake that was repeated.
        let dialling = crate::diagnosis::Evidence {
            state: State::SynSent,
            first_state: State::SynSent,
            ..waited(3)
        };
        assert_eq!(judged(&RULE, dialling), None);
    }
}
