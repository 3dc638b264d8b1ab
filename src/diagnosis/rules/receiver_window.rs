//! TD101: limited by the peer's receive window.

use super::peer_window_closed;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::{FAST, limits};
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};
use crate::diagnosis::sign::Sign;
use crate::diagnosis::sizing::is_growing;

limits! {
    share: 0.3, "share", "share of the busy time in which the window limited the sender";
    busy: 0.3, "share", "share of the watched time with data to send";
    closed: 0.1, "share", "share of the polls with the window closed, from which the peer's program is slow";
    fast: FAST, "B/s", "rate from which the finding is only information";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD101",
    name: "receiver-window",
    title: "limited by the peer's receive window",
    scope: RuleScope::Connection,
    meaning: "The peer advertises a window that is smaller than the data ready to be sent. The sender waits for the peer's program to read, or for a larger receive buffer there. The network is not the limit.",
    evidence: "rwnd_limited as a share of busy_time, both over the watched time",
    guards: "Connections with little to send are left out (limit busy), and young ones whose window the receiver is still enlarging. At a high rate (limit fast) the finding is only information, because something always limits the rate. A window that closes (limit closed) is a program that reads slowly, judged like TD130.",
    seen_from: "the sender",
    other_side: "On the peer, `tcpdiag diagnose` shows a slow reader (TD132) or a receive buffer that does not grow: look at recv_q, rcv_space and net.ipv4.tcp_rmem.",
    advice: &[
        Advice::new(
            "Either the peer's program reads too slowly or its receive buffer is too small. Look at recv_q of this connection on the peer: if it is 0, raise the third number of net.ipv4.tcp_rmem there and do not set SO_RCVBUF; otherwise the program is slow.",
        ),
        Advice::with_command(
            "Watch the window that the peer advertises.",
            "tcpdiag conns --remote-ip {remote_address} --columns remote,rtt,snd_wnd,rwnd_limited_share,send_q --interval 1s",
        ),
    ],
    references: &["RFC 9293 3.8.6", "tcp_chrono_start() in net/ipv4/tcp_output.c"],
    explained_by: &["TD130", "TD142", "TD151"],
    limits: Limits::LIST,
    placeholders: &["remote_address"],
    judge: Judge::Connection(|input, limits| {
        judge(input, &limits.receiver_window, &limits.peer_window_closed)
    }),
};

fn judge(
    input: &RuleInput<'_>,
    limits: &Limits,
    closing: &peer_window_closed::Limits,
) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let share = evidence.share_of_busy(evidence.rwnd_limited_us)?;
    if share < limits.share || evidence.busy_share()? < limits.busy || is_growing(evidence) {
        return None;
    }
    let severity = match () {
        () if evidence.rate() >= limits.fast => Severity::Info,
        // Then it is the program that is slow.
        () if evidence.share_of_polls(Sign::PeerWindowClosed) >= limits.closed => {
            closing.severity(evidence).min(Severity::Warning)
        }
        () => Severity::Warning,
    };
    let rule_match = RuleMatch::new(severity, Confidence::High, share)
        .with(Measure::new("rwnd_limited_share", share, "share").over(limits.share))
        .with(Measure::new("rate", evidence.rate(), "B/s"));
    Some(match evidence.snd_wnd {
        Some(window) => rule_match.with(Measure::new("snd_wnd", window as f64, "bytes")),
        None => rule_match,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn only_connections_that_the_window_limits() {
        let limited = |share: u64| {
            let us = Some(90_000 * share);
            crate::diagnosis::Evidence { rwnd_limited_us: us, ..healthy() }
        };
        assert_eq!(judged(&RULE, limited(0)), None);
        assert_eq!(judged(&RULE, limited(29)), None);
        let found = judged(&RULE, limited(60)).unwrap();
        assert_eq!(found.severity, Severity::Warning);
        assert_eq!(found.evidence[0].value, 0.6);
        // A program that limits its own rate, and one for which data waits for long.
        let closing = |send_queue| crate::diagnosis::Evidence {
            send_queue,
            ..limited(60).shows(Sign::PeerWindowClosed, 2)
        };
        assert_eq!(judged(&RULE, closing(1_000_000)).unwrap().severity, Severity::Info);
        assert_eq!(judged(&RULE, closing(9_000_000)).unwrap().severity, Severity::Warning);
        // Half a second at 40 ms.
        let young = crate::diagnosis::Evidence {
            opened_while_watched: true,
            watched_s: 0.6,
            busy_us: Some(500_000),
            rwnd_limited_us: Some(300_000),
            min_rtt_us: Some(40_000),
            ..healthy()
        };
        assert_eq!(judged(&RULE, young), None);
        let near = crate::diagnosis::Evidence { min_rtt_us: Some(1_000), ..young };
        assert!(judged(&RULE, near).is_some());
        // Little to send, a high rate, or a kernel without the field.
        let seldom = crate::diagnosis::Evidence { busy_us: Some(10_000), ..limited(60) };
        assert_eq!(judged(&RULE, seldom), None);
        let fast = crate::diagnosis::Evidence { bytes_acked: 2_000_000_000, ..limited(60) };
        assert_eq!(judged(&RULE, fast).unwrap().severity, Severity::Info);
        let old = crate::diagnosis::Evidence { rwnd_limited_us: None, ..limited(60) };
        assert_eq!(judged(&RULE, old), None);
    }
}
