//! TD132: read more slowly than data comes.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};
use crate::diagnosis::sign::Sign;
use crate::model::State;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD132",
    name: "slow-reader",
    title: "read more slowly than data comes",
    scope: RuleScope::Connection,
    meaning: "The receive queue is never emptied: the program reads, but less than the peer sends, and the peer is made to wait; or it has left what came unread all the time.",
    evidence: "recv_q at every look, its least, and bytes read",
    guards: "A queue that is empty at some look was caught up with. A few bytes left unread on an idle connection (a closing message of TLS in a pool of connections) are only mentioned.",
    seen_from: "the receiver",
    other_side: "On the sender: TD101, held back by the window; TD130 while it is closed.",
    advice: &[
        Advice::by(
            "See who reads, and what it does in between: one thread that reads and works?",
            "tcpdiag conns --local-port {local_port} --columns remote,recv_q,rcv_space,process --processes --sort -recv_q",
        ),
        Advice::new(
            "A larger receive buffer only lets more wait; it helps where the program reads in bursts.",
        ),
    ],
    references: &["RFC 9293 3.8.6", "tcp_rcv_space_adjust() in net/ipv4/tcp_input.c"],
    explained_by: &["TD131", "TD152"],
    limits: &[
        Limit::new("share", 0.7, "share", "of the looks that found much unread"),
        Limit::new("least", 4096.0, "bytes", "unread at least, at every look"),
        Limit::new("fast", 125e6, "B/s", "a program that reads this fast is not slow"),
    ],
    offers: &["local_port"],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const SHARE: usize = 0;
const LEAST: usize = 1;
const FAST: usize = 2;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let evidence = case.evidence;
    if evidence.looks < 3 || !matches!(evidence.state, State::Established | State::CloseWait) {
        return None;
    }
    let unread = evidence.least_receive_queue as f64;
    let share = evidence.share_of_looks(Sign::Backlog);
    let rate = evidence.bytes_read() as f64 / evidence.watched_s.max(1.0);
    // A queue that is never short is never caught up with, however large the buffer.
    let long = unread >= 4.0 * case.limit(LEAST);
    let lags = (share >= case.limit(SHARE) || long)
        && unread >= case.limit(LEAST)
        && rate < case.limit(FAST);
    let left = evidence.share_of_looks(Sign::Unread) >= 1.0 && evidence.bytes_read() == 0;
    let severity = match (lags, left) {
        (true, _) => Severity::Warning,
        (false, true) if unread >= case.limit(LEAST) => Severity::Warning,
        (false, true) if unread > 1.0 => Severity::Info,
        _ => return None,
    };
    let confidence = if lags { Confidence::High } else { Confidence::Medium };
    Some(
        RuleMatch::new(severity, confidence, evidence.receive_queue as f64)
            .with(Measure::new("recv_q", evidence.receive_queue as f64, "bytes"))
            .with(Measure::new("least_recv_q", unread, "bytes").over(case.limit(LEAST)))
            .with(Measure::new("much_unread_looks", share, "share").over(case.limit(SHARE)))
            .with(Measure::new("read_rate", rate, "B/s")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn never_caught_up() {
        let lagging = crate::diagnosis::Evidence {
            receive_queue: 200_000,
            first_receive_queue: 150_000,
            least_receive_queue: 90_000,
            bytes_received: 1_000_000,
            ..healthy()
        };
        let slow = judged(&RULE, lagging.shows(Sign::Backlog, 10)).unwrap();
        assert_eq!((slow.severity, slow.confidence), (Severity::Warning, Confidence::High));
        let caught_up = crate::diagnosis::Evidence { least_receive_queue: 0, ..lagging };
        assert_eq!(judged(&RULE, caught_up.shows(Sign::Backlog, 10)), None);
        let left = crate::diagnosis::Evidence {
            receive_queue: 31,
            first_receive_queue: 31,
            least_receive_queue: 31,
            bytes_received: 0,
            ..healthy()
        };
        assert_eq!(judged(&RULE, left.shows(Sign::Unread, 11)).unwrap().severity, Severity::Info);
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
