//! TD130: waiting for the peer to open its window.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};
use crate::diagnosis::sign::Sign;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD130",
    name: "peer-window-closed",
    title: "waiting for the peer to open its window",
    scope: RuleScope::Connection,
    meaning: "The peer advertises a window of zero: its receive buffer is full because its program does not read. Nothing is sent but a probe now and then.",
    evidence: "snd_wnd 0 or the zero-window probe timer, at how many looks",
    guards: "A window that closes for a moment is flow control at work: it has to be closed at several looks, or for the whole time. A connection that gets 1 Gbit/s and more is only mentioned: somebody has to be the limit.",
    seen_from: "the sender",
    other_side: "On the peer: recv_q of this connection is full (TD131, TD132); its program hangs, waits for a lock, or has stopped reading.",
    advice: &[
        Advice::by(
            "On the peer, see who holds the connection and what it does.",
            "tcpdiag conns --remote-port {local_port} --columns remote,recv_q,rcv_wnd,process --processes",
        ),
        Advice::new(
            "The kernel probes for as long as the peer acknowledges probes, without end. A program that cannot wait sets TCP_USER_TIMEOUT.",
        ),
    ],
    references: &["RFC 9293 3.8.6.1", "tcp_probe_timer() in net/ipv4/tcp_timer.c"],
    explained_by: &[],
    limits: &[
        Limit::new("share", 0.3, "share", "of the looks that found it closed"),
        Limit::new("least", 2.0, "looks", "that found it closed"),
        Limit::new("critical", 0.9, "share", "from where on, without any progress, it is critical"),
        Limit::new("fast", 125e6, "B/s", "from this rate on the finding is only information"),
    ],
    offers: &["local_port"],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const SHARE: usize = 0;
const LEAST: usize = 1;
const CRITICAL: usize = 2;
const FAST: usize = 3;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let evidence = case.evidence;
    let share = evidence.share_of_looks(Sign::PeerFull);
    let closed = evidence.looks_at(Sign::PeerFull);
    if !evidence.sends() || share < case.limit(SHARE) || f64::from(closed) < case.limit(LEAST) {
        return None;
    }
    let critical = share >= case.limit(CRITICAL) && evidence.bytes_acked <= 1;
    let severity = match critical {
        true => Severity::Critical,
        false if evidence.rate() >= case.limit(FAST) => Severity::Info,
        false => Severity::Warning,
    };
    Some(
        RuleMatch::new(severity, Confidence::High, share)
            .with(Measure::new("window_closed_looks", share, "share").over(case.limit(SHARE)))
            .with(Measure::new("send_q", evidence.send_queue as f64, "bytes"))
            .with(Measure::new("probes", evidence.in_vain() as f64, "events"))
            .with(Measure::new("rate", evidence.rate(), "B/s")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn closed_for_long() {
        let closed = crate::diagnosis::Evidence { bytes_acked: 0, send_queue: 90_000, ..healthy() };
        let always = judged(&RULE, closed.shows(Sign::PeerFull, 11)).unwrap();
        assert_eq!(always.severity, Severity::Critical);
        let often = judged(&RULE, healthy().shows(Sign::PeerFull, 5)).unwrap();
        assert_eq!(often.severity, Severity::Warning);
        let swift = crate::diagnosis::Evidence { bytes_acked: 9_000_000_000, ..healthy() };
        let swift = judged(&RULE, swift.shows(Sign::PeerFull, 5)).unwrap();
        assert_eq!(swift.severity, Severity::Info);
        assert_eq!(judged(&RULE, healthy().shows(Sign::PeerFull, 1)), None);
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
