//! TD151: stuck while closing.

use crate::diagnosis::evidence::Lifecycle;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};
use crate::diagnosis::sign::Sign;
use crate::model::State;

limits! {
    least: 2.0, "s", "seconds in such a state";
}

/// The cause where the peer answers other connections.
const IS_UP: &str = "The program has closed the connection, and the peer does not acknowledge the last data or the FIN, while it answers other connections of this host. The peer is up: a firewall or NAT on the path has forgotten this connection, or the peer no longer has it and its reset does not arrive.";

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD151",
    name: "stuck-closing",
    title: "stuck while closing",
    scope: RuleScope::Connection,
    meaning: "The program has closed the connection, but the peer does not acknowledge the last data or the FIN: it is gone, or does not read. The kernel keeps the socket and its data until it gives up. Such sockets count against net.ipv4.tcp_max_orphans.",
    evidence: "FIN-WAIT-1, LAST-ACK or CLOSING with a timer that fires without an answer",
    guards: "A connection is normally in these states for one round trip. It has to stay there for the limit's time without progress.",
    seen_from: "the side that closed",
    other_side: "On the peer, if it is up: unread data (TD131, TD132), or no such connection.",
    advice: &[
        Advice::with_command(
            "See how many there are, and to which peers.",
            "tcpdiag conns --state fin_wait_1 --state last_ack --columns state,remote,send_q,timer",
        ),
        Advice::new(
            "The peer answers other connections: look for a firewall or NAT that forgot these, and for programs on the peer that do not read.",
        )
        .only_with("elsewhere"),
        Advice::with_command(
            "The kernel gives up after net.ipv4.tcp_orphan_retries = {net.ipv4.tcp_orphan_retries} timeouts (0 stands for 8). The same holds for a peer whose window stays closed. A lower number frees the sockets sooner.",
            "sysctl -w net.ipv4.tcp_orphan_retries=3",
        )
        .only_with("orphan"),
        Advice::new(
            "The program still has the connection: the kernel gives up after net.ipv4.tcp_retries2 = {net.ipv4.tcp_retries2} timeouts. TCP_USER_TIMEOUT makes it give up sooner.",
        )
        .only_with("held"),
    ],
    references: &[
        "RFC 9293 3.6",
        "tcp_out_of_resources(), tcp_orphan_retries() in net/ipv4/tcp_timer.c",
    ],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &["elsewhere", "orphan", "held"],
    judge: Judge::Connection(|input, limits| judge(input, &limits.stuck_closing)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let closing = |state| matches!(state, State::FinWait1 | State::LastAck | State::Closing);
    if !closing(evidence.state) || evidence.lifecycle != Lifecycle::Open {
        return None;
    }
    let silent = evidence.silent_s();
    let stuck = evidence.stalled_s.min(evidence.watched_s);
    // Acknowledged probes of a closed window are no progress either.
    let probed = evidence.polls_with(Sign::PeerWindowClosed) >= 2;
    let waits = if probed { stuck } else { stuck.max(silent.min(evidence.watched_s)) };
    let is_retransmitting = evidence.unanswered() > 0 || evidence.retransmits > 0 || probed;
    if waits < limits.least || !is_retransmitting {
        return None;
    }
    let rule_match =
        RuleMatch::new(Severity::Warning, Confidence::High, evidence.send_queue as f64)
            .with(Measure::new("stuck", waits, "s").over(limits.least))
            .with(Measure::new("send_q", evidence.send_queue as f64, "bytes"))
            .with(Measure::new("retransmits", evidence.unanswered() as f64, "events"));
    // A peer that acknowledges probes is up.
    let rule_match = if probed { rule_match } else { rule_match.of_silent_peer(silent, IS_UP) };
    // The setting is for sockets without a program.
    Some(match (evidence.has_inode, input.context.gives_up_late()) {
        (true, _) => rule_match.with_word("held", ""),
        (false, true) => rule_match.with_word("orphan", ""),
        (false, false) => rule_match,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};
    use crate::model::Timer;

    #[test]
    fn long_in_a_closing_state_without_answers() {
        let stuck = crate::diagnosis::Evidence {
            state: State::FinWait1,
            send_queue: 10_000,
            stalled_s: 9.0,
            timer: Timer::new(1, 800, 5),
            last_ack_recv_ms: Some(12_000),
            ..healthy()
        };
        let has = |found: &RuleMatch, word| found.words.iter().any(|(name, _)| *name == word);
        let held = judged(&RULE, stuck).unwrap();
        assert!(has(&held, "held") && !has(&held, "orphan") && held.silence.is_some());
        let mut context = crate::diagnosis::testing::context();
        let orphan = crate::diagnosis::Evidence { has_inode: false, ..stuck };
        for (retries, offered) in [("0", true), ("8", true), ("3", false), ("1", false)] {
            context.settings = crate::settings::Values::of(&[("tcp_orphan_retries", retries)]);
            let found = crate::diagnosis::testing::judged_in(&RULE, orphan, &context).unwrap();
            assert_eq!((has(&found, "orphan"), has(&found, "held")), (offered, false));
        }
        let open = crate::diagnosis::Evidence { state: State::Established, ..stuck };
        assert_eq!(judged(&RULE, open), None);
        let quick =
            crate::diagnosis::Evidence { stalled_s: 0.2, last_ack_recv_ms: Some(100), ..stuck };
        assert_eq!(judged(&RULE, quick), None);
    }
}
