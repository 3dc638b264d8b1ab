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

/// The cause where the peer answers other connections.
const IS_UP: &str = "The connection is idle and its keepalive probes are not answered, while the peer answers other connections of this host. The peer is up: a device on the path (a stateful firewall, a NAT) has dropped the state of the idle connection, or the peer no longer has it and its reset does not arrive. After the last probe the kernel resets the connection.";

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD150",
    name: "keepalive-unanswered",
    title: "keepalive probes go unanswered",
    scope: RuleScope::Connection,
    meaning: "The connection is idle and its keepalive probes are not answered: the peer is gone, or a device on the path (a firewall, a NAT) has dropped the connection's state. After the last probe the kernel resets the connection.",
    evidence: "polls with the keepalive timer and unanswered probes",
    guards: "One unanswered probe is normal while its answer is on the way. Probes in a row have to be unanswered (limit least), or one for as many polls, with nothing from the peer the whole time and for longer than three round trips. Probes that different polls showed are not added where the peer answered between them. If the peer answers other connections meanwhile, the finding says so.",
    seen_from: "the side with SO_KEEPALIVE",
    other_side: "On the peer, if it is up, the connection looks idle and healthy until its own keepalive.",
    advice: &[
        Advice::with_command("See whether the peer answers.", "ping -c 3 {remote_address}")
            .only_with("nowhere"),
        Advice::new(
            "A middlebox drops the state of idle connections: send keepalives before its timeout (net.ipv4.tcp_keepalive_time = {net.ipv4.tcp_keepalive_time} s, or TCP_KEEPIDLE), or raise its timeout.",
        )
        .only_with("elsewhere"),
        Advice::with_command(
            "After {net.ipv4.tcp_keepalive_probes} probes, {net.ipv4.tcp_keepalive_intvl} s apart, the connection ends, unless the program set its own.",
            "tcpdiag conns --remote-ip {remote_address} --columns remote,timer,last_ack_recv --processes",
        ),
    ],
    references: &["RFC 1122 4.2.3.6", "tcp_keepalive_timer() in net/ipv4/tcp_timer.c"],
    explained_by: &["TD122"],
    limits: Limits::LIST,
    placeholders: &["remote_address", "elsewhere", "nowhere"],
    judge: Judge::Connection(|input, limits| judge(input, &limits.keepalive_dying)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let polls = f64::from(evidence.polls_with(Sign::Probing));
    let probes = if evidence.runs(TimerKind::Keepalive) { evidence.unanswered() } else { 0 };
    // Probes that were answered since are no finding.
    let is_unanswered = probes > 0 || evidence.lifecycle != Lifecycle::Open;
    let silent = evidence.silent_s();
    // Polls may show different probes, each answered after it: then something arrived.
    let between_polls = evidence.watched_s / f64::from(evidence.polls.max(2) - 1);
    let pending = (polls - 1.0) * between_polls;
    let is_silent = polls >= limits.least
        && silent >= limits.silent
        && evidence.segs_in == 0
        && pending * 1e6 > 3.0 * evidence.rtt_us.unwrap_or(0) as f64;
    if !is_unanswered || (probes as f64) < limits.least && !is_silent {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Warning, Confidence::High, silent)
            .with(Measure::new("probes", probes as f64, "events").over(limits.least))
            .with(Measure::new("last_ack_recv", silent, "s"))
            .of_silent_peer(silent, IS_UP),
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
        assert!(judged(&RULE, probing(3)).unwrap().silence.is_some());
        let twice = probing(1).shows(Sign::Probing, 2);
        assert_eq!(judged(&RULE, twice), None, "answered between the two polls");
        let idle = crate::diagnosis::Evidence { last_ack_recv_ms: Some(80_000), ..twice };
        assert_eq!(judged(&RULE, idle), None, "something arrived between the two polls");
        let silent = crate::diagnosis::Evidence { segs_in: 0, ..idle };
        assert!(judged(&RULE, silent).is_some());
        let far = crate::diagnosis::Evidence { rtt_us: Some(700_000), ..silent };
        assert_eq!(judged(&RULE, far), None, "the answer can still be on its way");
        assert_eq!(judged(&RULE, probing(1)), None);
        assert_eq!(judged(&RULE, probing(0).shows(Sign::Probing, 2)), None, "answered since");
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
