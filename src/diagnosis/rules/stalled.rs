//! TD122: stalled: data sent, nothing comes back.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::full_listener::{self, repeats_first_data};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};
use crate::diagnosis::sign::Sign;

limits! {
    least: 2.0, "s", "seconds without an acknowledgement";
    critical: 5.0, "s", "seconds from which it is critical";
}

/// The cause where the peer answers other connections.
const IS_UP: &str = "Data is queued or in flight, and the peer has acknowledged nothing on this connection for seconds, while it answers other connections of this host. The peer is up: something on the path drops this connection alone (a stateful firewall, a NAT entry that timed out, an MTU that its segments exceed), or the peer no longer has it and its reset does not arrive.";

/// The same, where nothing that was sent on the connection ever arrived.
const FIRST_DATA: &str = "Nothing that was sent on this connection was ever acknowledged, while the peer answers other connections of this host. The accept queue of its listener may be full: then it drops the end of the handshake and the data that follows. Otherwise something on the path drops this connection alone (a firewall, an MTU that its segments exceed).";

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD122",
    name: "stalled",
    title: "stalled: data sent, nothing comes back",
    scope: RuleScope::Connection,
    meaning: "Data is queued or in flight, and the peer has acknowledged nothing for seconds: the peer or the path is gone. The kernel retransmits at growing intervals until it gives up.",
    evidence: "seconds without an acknowledgement while send_q is not empty; retransmits, backoff",
    guards: "The severity follows the seconds lost. If the peer answers other connections meanwhile, the finding says so: then it is not gone. A connection without data in flight is idle, not stalled. A closed window is TD130, loss of large segments only is TD141, a closing connection is TD151, a handshake is TD153.",
    seen_from: "the sender",
    other_side: "On the peer, if it is up, the connection is idle or no longer exists. Check whether segments from this host arrive at all.",
    advice: &[
        Advice::with_command("See whether the peer answers.", "ping -c 3 {remote_address}")
            .only_with("nowhere"),
        full_listener::ADVICE,
        Advice::with_command(
            "Compare the connection with the others of the peer.",
            "tcpdiag conns --remote-ip {remote_address} --columns state,local,remote,last_ack_recv,send_q,backoff,snd_mss,pmtu",
        )
        .only_with("elsewhere"),
        Advice::new(
            "Look for what keeps state per connection: a firewall or NAT whose entry timed out, or a load balancer. If only large segments are stuck, look at the MTU of the path.",
        )
        .only_with("elsewhere"),
        Advice::with_command(
            "The kernel gives up after net.ipv4.tcp_retries2 = {net.ipv4.tcp_retries2} timeouts (15: about a quarter of an hour). A program that must know sooner can set TCP_USER_TIMEOUT.",
            "tcpdiag conns --remote-ip {remote_address} --columns remote,timer,backoff,send_q,last_ack_recv --processes",
        ),
    ],
    references: &["RFC 9293 3.8.3", "RFC 5482", "tcp_write_timeout() in net/ipv4/tcp_timer.c"],
    explained_by: &["TD130", "TD141", "TD151", "TD153"],
    limits: Limits::LIST,
    placeholders: &["remote_address", "elsewhere", "nowhere", "full_listener", "listener_port"],
    judge: Judge::Connection(|input, limits| judge(input, &limits.stalled)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let waiting = evidence.sends() && evidence.unacked > 0 && evidence.send_queue > 0;
    let silent = evidence.silent_s();
    // Known from two polls, or from the clock and the timer of one.
    let is_retransmitting =
        evidence.retransmits > 0 || evidence.backoff > 0 || evidence.polls_with(Sign::Timeout) > 0;
    let stalled = evidence.stalled_s.max(if is_retransmitting {
        silent.min(evidence.watched_s)
    } else {
        0.0
    });
    if !waiting || !is_retransmitting || stalled < limits.least || silent < limits.least {
        return None;
    }
    let critical = silent >= limits.critical;
    let severity = if critical { Severity::Critical } else { Severity::Warning };
    Some(
        RuleMatch::new(severity, Confidence::High, silent)
            .with(Measure::new("last_ack_recv", silent, "s").over(limits.least))
            .with(Measure::new("send_q", evidence.send_queue as f64, "bytes"))
            .with(Measure::new("retransmits", evidence.retransmits as f64, "events"))
            .with(Measure::new("rto", evidence.rto_us as f64, "us"))
            .of_silent_peer(silent, if repeats_first_data(evidence) { FIRST_DATA } else { IS_UP })
            .at_full_listener(input),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn data_in_flight_and_silence() {
        let stalled = crate::diagnosis::Evidence {
            send_queue: 5_000,
            unacked: 4,
            stalled_s: 8.0,
            retransmits: 4,
            backoff: 4,
            last_ack_recv_ms: Some(8_500),
            ..healthy()
        };
        assert_eq!(judged(&RULE, stalled).unwrap().severity, Severity::Critical);
        let idle = crate::diagnosis::Evidence { send_queue: 0, unacked: 0, ..stalled };
        assert_eq!(judged(&RULE, idle), None);
        let slow = crate::diagnosis::Evidence { last_ack_recv_ms: Some(300), ..stalled };
        assert_eq!(judged(&RULE, slow), None);
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
