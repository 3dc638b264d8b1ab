//! TD150: keepalive probes go unanswered.

use crate::diagnosis::evidence::Lifecycle;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};
use crate::diagnosis::sign::Sign;
use crate::model::TimerKind;

limits! {
    least: 2.0, "looks", "least number of unanswered probes, or of polls with unanswered probes";
    silent: 2.0, "s", "seconds without any answer, where single probes were seen unanswered";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD150",
    name: "keepalive-unanswered",
    title: "keepalive probes go unanswered",
    scope: RuleScope::Connection,
    meaning: "The connection is idle and its keepalive probes are not answered: the peer is gone, or a device on the path (a firewall, a NAT) has dropped the connection's state. After the last probe the kernel resets the connection.",
    evidence: "polls with the keepalive timer and unanswered probes",
    guards: "One unanswered probe is normal while its answer is on the way. Two probes in a row have to be unanswered, or one at two polls, and the peer silent for seconds at the end.",
    seen_from: "the side with SO_KEEPALIVE",
    other_side: "On the peer, if it is up, the connection looks idle and healthy until its own keepalive.",
    advice: &[
        Advice::with_command("See whether the peer answers.", "ping -c 3 {remote_address}"),
        Advice::new(
            "If only idle connections are affected, a middlebox drops their state: send keepalives before its timeout (net.ipv4.tcp_keepalive_time = {net.ipv4.tcp_keepalive_time} s, or TCP_KEEPIDLE).",
        ),
        Advice::with_command(
            "After {net.ipv4.tcp_keepalive_probes} probes, {net.ipv4.tcp_keepalive_intvl} s apart, the connection ends, unless the program set its own.",
            "tcpdiag conns --remote-ip {remote_address} --columns remote,timer,last_ack_recv --processes",
        ),
    ],
    references: &["RFC 1122 4.2.3.6", "tcp_keepalive_timer() in net/ipv4/tcp_timer.c"],
    explained_by: &["TD122"],
    limits: Limits::LIST,
    placeholders: &["remote_address"],
    judge: Judge::Connection(|input, limits| judge(input, &limits.keepalive_dying)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let polls = f64::from(evidence.polls_with(Sign::Probing));
    let probes = if evidence.runs(TimerKind::Keepalive) { evidence.unanswered() } else { 0 };
    // Probes that were answered since are no finding.
    let is_unanswered = probes > 0 || evidence.lifecycle != Lifecycle::Open;
    let silent = evidence.silent_s();
    // Polls may show different probes, each answered after it: then the peer was heard of.
    let is_silent = polls >= limits.least && silent >= limits.silent;
    if !is_unanswered || (probes as f64) < limits.least && !is_silent {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Warning, Confidence::High, silent)
            .with(Measure::new("probes", probes as f64, "events").over(limits.least))
            .with(Measure::new("last_ack_recv", silent, "s")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};
    use crate::model::Timer;

    #[test]
    fn unanswered_probes_match() {
        let probing =
            |sent| crate::diagnosis::Evidence { timer: Timer::new(2, 500, sent), ..healthy() };
        assert!(judged(&RULE, probing(3)).is_some());
        let twice = probing(1).shows(Sign::Probing, 2);
        assert_eq!(judged(&RULE, twice), None, "answered between the two polls");
        let silent = crate::diagnosis::Evidence { last_ack_recv_ms: Some(80_000), ..twice };
        assert!(judged(&RULE, silent).is_some());
        assert_eq!(judged(&RULE, probing(1)), None);
        assert_eq!(judged(&RULE, probing(0).shows(Sign::Probing, 2)), None, "answered since");
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
