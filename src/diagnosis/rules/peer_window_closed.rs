//! TD130: waiting for the peer to open its window.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::{FAST, limits};
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};
use crate::diagnosis::sign::Sign;

limits! {
    share: 0.3, "share", "share of the polls with the window closed";
    least: 2.0, "looks", "least number of polls with the window closed";
    critical: 0.9, "share", "share from which it is critical, if nothing was acknowledged";
    fast: FAST, "B/s", "rate from which the finding is only information";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD130",
    name: "peer-window-closed",
    title: "waiting for the peer to open its window",
    scope: RuleScope::Connection,
    meaning: "The peer advertises a window of zero: its receive buffer is full because its program does not read. Only an occasional probe is sent.",
    evidence: "polls with snd_wnd 0 or the zero-window probe timer",
    guards: "A window that closes for a moment is normal flow control: it has to be closed at several polls. At a high rate (limit fast) the finding is only information, because something always limits the rate.",
    seen_from: "the sender",
    other_side: "On the peer recv_q of this connection is full (TD131, TD132): its program hangs, waits for a lock, or has stopped reading.",
    advice: &[
        Advice::with_command(
            "On the peer, find the program that has the connection and what it is doing.",
            "tcpdiag conns --remote-port {local_port} --columns remote,recv_q,rcv_wnd,process --processes",
        ),
        Advice::new(
            "The kernel goes on probing as long as the peer acknowledges the probes. A program that cannot wait can set TCP_USER_TIMEOUT.",
        ),
    ],
    references: &["RFC 9293 3.8.6.1", "tcp_probe_timer() in net/ipv4/tcp_timer.c"],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &["local_port"],
    judge: Judge::Connection(|input, limits| judge(input, &limits.peer_window_closed)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let share = evidence.share_of_polls(Sign::PeerWindowClosed);
    let closed = evidence.polls_with(Sign::PeerWindowClosed);
    if !evidence.sends() || share < limits.share || f64::from(closed) < limits.least {
        return None;
    }
    let critical = share >= limits.critical && evidence.bytes_acked <= 1;
    let severity = match critical {
        true => Severity::Critical,
        false if evidence.rate() >= limits.fast => Severity::Info,
        false => Severity::Warning,
    };
    Some(
        RuleMatch::new(severity, Confidence::High, share)
            .with(Measure::new("window_closed_looks", share, "share").over(limits.share))
            .with(Measure::new("send_q", evidence.send_queue as f64, "bytes"))
            .with(Measure::new("probes", evidence.unanswered() as f64, "events"))
            .with(Measure::new("rate", evidence.rate(), "B/s")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn severity_depends_on_share_and_rate() {
        let closed = crate::diagnosis::Evidence { bytes_acked: 0, send_queue: 90_000, ..healthy() };
        let always = judged(&RULE, closed.shows(Sign::PeerWindowClosed, 11)).unwrap();
        assert_eq!(always.severity, Severity::Critical);
        let often = judged(&RULE, healthy().shows(Sign::PeerWindowClosed, 5)).unwrap();
        assert_eq!(often.severity, Severity::Warning);
        let fast = crate::diagnosis::Evidence { bytes_acked: 9_000_000_000, ..healthy() };
        let fast = judged(&RULE, fast.shows(Sign::PeerWindowClosed, 5)).unwrap();
        assert_eq!(fast.severity, Severity::Info);
        assert_eq!(judged(&RULE, healthy().shows(Sign::PeerWindowClosed, 1)), None);
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
