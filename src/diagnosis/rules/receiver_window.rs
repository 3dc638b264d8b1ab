//! TD101: held back by the peer's receive window.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD101",
    name: "receiver-window",
    title: "held back by the peer's receive window",
    scope: RuleScope::Connection,
    meaning: "The peer advertises a window that is smaller than what is ready to be sent, so the sender waits for the peer's program to read, or for a larger receive buffer there. The network is not the limit.",
    evidence: "rwnd_limited as a share of busy_time, both of the time that was watched",
    guards: "Connections that had little to send are left out (busy). A connection that gets 1 Gbit/s and more is only mentioned: somebody has to be the limit. A window that is closed altogether is TD130.",
    seen_from: "the sender",
    other_side: "On the peer: `tcpdiag diagnose` shows a slow reader there (TD132) or a receive buffer that does not grow; look at recv_q, rcv_space and net.ipv4.tcp_rmem.",
    advice: &[
        Advice::new(
            "The peer's program has to read faster, or its receive buffer to grow: look there at recv_q of this connection. If it is 0, raise the third number of net.ipv4.tcp_rmem there and do not set SO_RCVBUF; if not, the program is slow.",
        ),
        Advice::by(
            "Watch the window it advertises.",
            "tcpdiag conns --remote-ip {remote_address} --columns remote,rtt,snd_wnd,rwnd_limited_share,send_q --interval 1s",
        ),
    ],
    references: &["RFC 9293 3.8.6", "tcp_chrono_start() in net/ipv4/tcp_output.c"],
    explained_by: &["TD130", "TD142"],
    limits: &[
        Limit::new("share", 0.3, "share", "of the busy time that the window held back"),
        Limit::new("busy", 0.3, "share", "of the watched time with something to send"),
        Limit::new("fast", 125e6, "B/s", "from this rate on the finding is only information"),
    ],
    offers: &["remote_address"],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const SHARE: usize = 0;
const BUSY: usize = 1;
const FAST: usize = 2;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let evidence = case.evidence;
    let share = evidence.share_of_busy(evidence.rwnd_limited_us)?;
    if share < case.limit(SHARE) || evidence.busy_share()? < case.limit(BUSY) {
        return None;
    }
    let fast = evidence.rate() >= case.limit(FAST);
    let severity = if fast { Severity::Info } else { Severity::Warning };
    let rule_match = RuleMatch::new(severity, Confidence::High, share)
        .with(Measure::new("rwnd_limited_share", share, "share").over(case.limit(SHARE)))
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
    fn the_window_and_nothing_else() {
        let limited = |share: u64| {
            let us = Some(90_000 * share);
            crate::diagnosis::Evidence { rwnd_limited_us: us, ..healthy() }
        };
        assert_eq!(judged(&RULE, limited(0)), None);
        assert_eq!(judged(&RULE, limited(29)), None);
        let found = judged(&RULE, limited(60)).unwrap();
        assert_eq!(found.severity, Severity::Warning);
        assert_eq!(found.evidence[0].value, 0.6);
        // Little to send, or fast all the same, or a kernel that does not tell.
        let seldom = crate::diagnosis::Evidence { busy_us: Some(10_000), ..limited(60) };
        assert_eq!(judged(&RULE, seldom), None);
        let fast = crate::diagnosis::Evidence { bytes_acked: 2_000_000_000, ..limited(60) };
        assert_eq!(judged(&RULE, fast).unwrap().severity, Severity::Info);
        let old = crate::diagnosis::Evidence { rwnd_limited_us: None, ..limited(60) };
        assert_eq!(judged(&RULE, old), None);
    }
}
