//! TD150: keepalive probes go unanswered.

use crate::diagnosis::evidence::Fate;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};
use crate::diagnosis::sign::Sign;
use crate::model::TimerKind;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD150",
    name: "keepalive-unanswered",
    title: "keepalive probes go unanswered",
    scope: RuleScope::Connection,
    meaning: "The connection is idle and its keepalive probes are not answered: the peer is gone, or something on the way (a firewall, a NAT) has forgotten the connection. When the probes run out it will be reset.",
    evidence: "the keepalive timer with unanswered probes, at how many looks",
    guards: "One probe on its way is normal; it has to be unanswered at two looks, or more than one.",
    seen_from: "the side with SO_KEEPALIVE",
    other_side: "On the peer, if it lives, the connection looks idle and healthy until its own keepalive.",
    advice: &[
        Advice::by("See whether the peer is there.", "ping -c 3 {remote_address}"),
        Advice::new(
            "If only idle connections suffer, a middlebox drops their state: keepalives have to come sooner than it forgets (net.ipv4.tcp_keepalive_time = {net.ipv4.tcp_keepalive_time} s, or TCP_KEEPIDLE).",
        ),
        Advice::by(
            "After {net.ipv4.tcp_keepalive_probes} probes, {net.ipv4.tcp_keepalive_intvl} s apart, the connection ends, unless the program set its own.",
            "tcpdiag conns --remote-ip {remote_address} --columns remote,timer,last_ack_recv --processes",
        ),
    ],
    references: &["RFC 1122 4.2.3.6", "tcp_keepalive_timer() in net/ipv4/tcp_timer.c"],
    explained_by: &["TD122"],
    limits: &[Limit::new("least", 2.0, "looks", "that found probes unanswered, or probes")],
    offers: &["remote_address"],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const LEAST: usize = 0;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let evidence = case.evidence;
    let looks = f64::from(evidence.looks_at(Sign::Probing));
    let probes = if evidence.runs(TimerKind::Keepalive) { evidence.in_vain() } else { 0 };
    // One that was answered since is well again.
    let now = probes > 0 || evidence.fate != Fate::Alive;
    if !now || looks.max(probes as f64) < case.limit(LEAST) {
        return None;
    }
    let silent = evidence.last_ack_recv_ms as f64 / 1e3;
    Some(
        RuleMatch::new(Severity::Warning, Confidence::High, silent)
            .with(Measure::new("probes", probes as f64, "events").over(case.limit(LEAST)))
            .with(Measure::new("last_ack_recv", silent, "s")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};
    use crate::model::Timer;

    #[test]
    fn probes_in_vain() {
        let probing =
            |sent| crate::diagnosis::Evidence { timer: Timer::new(2, 500, sent), ..healthy() };
        assert!(judged(&RULE, probing(3)).is_some());
        assert!(judged(&RULE, probing(1).shows(Sign::Probing, 2)).is_some());
        assert_eq!(judged(&RULE, probing(1)), None);
        assert_eq!(judged(&RULE, probing(0).shows(Sign::Probing, 2)), None, "answered since");
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
