//! TD153: no answer to connection attempts.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::full_listener;
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};
use crate::model::State;

limits! {
    least: 1.0, "events", "least number of repeated SYNs";
    critical: 3.0, "events", "repeated SYNs from which it is critical";
    chance: 0.25, "share", "share of repeated SYNs among the host's connects, up to which a single repeat is chance";
}

/// The cause where the peer answers other connections.
const IS_UP: &str = "A SYN was sent and repeated without any answer, not even a refusal, while the peer answers other connections of this host. The peer is up: a firewall drops what goes to this port, or the listener's queue is full.";

/// The cause where other connects to the same port succeed.
const IS_OPEN: &str = "A SYN was sent and repeated without any answer, while other connects to the same port of the same host succeed. The way there is open and the program runs: its accept queue is full for moments, SYNs or their answers are lost on the path, or something limits new connections.";

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD153",
    name: "syn-unanswered",
    title: "no answer to connection attempts",
    scope: RuleScope::Connection,
    meaning: "A SYN was sent and repeated without any answer, not even a refusal: the host is down, a firewall drops silently, or the listener's queue is full.",
    evidence: "SYN-SENT with repeated SYNs (the timer, or total_retrans while segs_in is 0); TCPSynRetrans and ActiveOpens of the host",
    guards: "A full listener on this host is named. A refusal would end the attempt at once. Where other connects to the same port of the same host succeed, no firewall closes it: a full accept queue, loss or a limit are named. On a lossy path one repeat can be chance: it is information while the host repeats few SYNs for the connections that it opens.",
    seen_from: "the client",
    other_side: "On the server check whether the SYNs arrive at all. If they do, its listener is full (TD201, TD204) or the path back is broken.",
    advice: &[
        Advice::with_command("See whether the host answers at all.", "ping -c 3 {remote_address}")
            .only_with("nowhere"),
        full_listener::ADVICE,
        Advice::new(
            "The host answers other connections: look for a firewall rule for this port, and for a full queue of its listener.",
        )
        .only_with("elsewhere"),
        Advice::new(
            "Other connects to this port succeed. On the server look for a full accept queue (TD201: ListenOverflows) and for limits on new connections (rules with a rate, conntrack); on both ends look for loss (TD110 to TD112).",
        )
        .only_with("same_port"),
        Advice::with_command(
            "The kernel tries net.ipv4.tcp_syn_retries = {net.ipv4.tcp_syn_retries} times (6: two minutes). A program that cannot wait can set TCP_USER_TIMEOUT or use its own timeout.",
            "tcpdiag conns --state syn_sent --processes --columns remote,timer,process",
        ),
    ],
    references: &["RFC 9293 3.5", "RFC 6298 5.7", "tcp_retransmit_timer() in net/ipv4/tcp_timer.c"],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &["remote_address", "elsewhere", "nowhere", "same_port", "full_listener", "listener_port"],
    judge: Judge::Connection(|input, limits| judge(input, &limits.syn_unanswered)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    if evidence.state != State::SynSent {
        return None;
    }
    // What an answer followed may have been data: then only the timer of the last poll tells of SYNs.
    let counted = match evidence.segs_in {
        0 => evidence.retransmits.max(evidence.retrans),
        _ => 0,
    };
    let repeated = evidence.unanswered().max(counted);
    if (repeated as f64) < limits.least {
        return None;
    }
    let critical = repeated as f64 >= limits.critical;
    let severity = match () {
        () if critical => Severity::Critical,
        () if repeated == 1 && is_chance(input, limits) => Severity::Info,
        () => Severity::Warning,
    };
    Some(
        RuleMatch::new(severity, Confidence::High, repeated as f64)
            .with(Measure::new("repeated_syns", repeated as f64, "events").over(limits.least))
            .with(Measure::new("rto", evidence.rto_us as f64, "us"))
            .of_silent_peer(evidence.watched_s, IS_UP)
            .or_if_connected(IS_OPEN)
            .at_full_listener(input),
    )
}

/// Whether few of the SYNs that the host sends are repeated.
fn is_chance(input: &RuleInput<'_>, limits: &Limits) -> bool {
    let growth = |name: &str| input.context.host.growth(name);
    let counted = growth("TcpActiveOpens").zip(growth("TcpExtTCPSynRetrans"));
    counted.is_some_and(|(opened, repeated)| {
        opened > 0 && repeated as f64 <= limits.chance * (opened + repeated) as f64
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, healthy, host, judged, judged_in};
    use crate::model::Timer;

    #[test]
    fn repeated_syns_match() {
        let connecting = |sent| crate::diagnosis::Evidence {
            state: State::SynSent,
            first_state: State::SynSent,
            timer: Timer::new(1, 900, sent),
            ..healthy()
        };
        assert_eq!(judged(&RULE, connecting(0)), None);
        assert_eq!(judged(&RULE, connecting(1)).unwrap().severity, Severity::Warning);
        assert_eq!(judged(&RULE, connecting(4)).unwrap().severity, Severity::Critical);
        assert_eq!(judged(&RULE, healthy()), None);
        // Established and ended between two polls, with data sent again.
        let ended = |segs_in| crate::diagnosis::Evidence { segs_in, retrans: 1, ..connecting(0) };
        assert_eq!(judged(&RULE, ended(6)), None);
        assert!(judged(&RULE, ended(0)).is_some());
        let mut context = context();
        for (repeated, sent, severity) in [
            (20, 1, Severity::Info),
            (80, 1, Severity::Warning),
            (20, 2, Severity::Warning),
            (20, 4, Severity::Critical),
        ] {
            context.host = host(&[("TcpActiveOpens", 200), ("TcpExtTCPSynRetrans", repeated)]);
            let found = judged_in(&RULE, connecting(sent), &context).unwrap();
            assert_eq!(found.severity, severity, "{sent} of {repeated}");
        }
    }
}
