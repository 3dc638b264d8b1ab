//! TD132: the program leaves received data unread.

use super::{not_reading, peer_window_closed};
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};
use crate::diagnosis::sign::Sign;
use crate::model::State;

limits! {
    share: 0.7, "share", "share of the polls with much data unread";
    least: 4096.0, "bytes", "least number of unread bytes, at every poll";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD132",
    name: "slow-reader",
    title: "the program leaves received data unread",
    scope: RuleScope::Connection,
    meaning: "The receive queue is never empty. Either the program reads less than the peer sends, so that the peer has to wait, or it left all data unread the whole time.",
    evidence: "recv_q at every poll, its minimum, and bytes read",
    guards: "If the queue is empty at some poll, the program has caught up. A program that reads what waits soon (limit wait of TD130) costs little, and may limit its own rate: that is information. So is a pause with the window closed, as for TD131. A few unread bytes on an idle connection (a closing message of TLS in a pool of connections) are only information.",
    seen_from: "the receiver",
    other_side: "On the sender: TD101, limited by the window; TD130 while it is closed.",
    advice: &[
        Advice::with_command(
            "Find the program and what it does between reads: a single thread may both read and process.",
            "tcpdiag conns --local-port {local_port} --columns remote,recv_q,rcv_space,process --processes --sort -recv_q",
        ),
        Advice::new(
            "A larger receive buffer only holds more unread data. It helps if the program reads in bursts.",
        ),
    ],
    references: &["RFC 9293 3.8.6", "tcp_rcv_space_adjust() in net/ipv4/tcp_input.c"],
    explained_by: &["TD131", "TD152"],
    limits: Limits::LIST,
    placeholders: &["local_port"],
    judge: Judge::Connection(|input, limits| {
        judge(input, &limits.slow_reader, &limits.not_reading, &limits.peer_window_closed)
    }),
};

fn judge(
    input: &RuleInput<'_>,
    limits: &Limits,
    stopped: &not_reading::Limits,
    closing: &peer_window_closed::Limits,
) -> Option<RuleMatch> {
    let evidence = input.evidence;
    if evidence.polls < 3 || !matches!(evidence.state, State::Established | State::CloseWait) {
        return None;
    }
    let unread = evidence.least_receive_queue as f64;
    let share = evidence.share_of_polls(Sign::MuchUnread);
    let rate = evidence.bytes_read() as f64 / evidence.watched_s.max(1.0);
    // The program never catches up with a queue that is always long, whatever the buffer.
    let long = unread >= 4.0 * limits.least;
    let lags = (share >= limits.share || long) && unread >= limits.least;
    let left = evidence.share_of_polls(Sign::Unread) >= 1.0 && evidence.bytes_read() == 0;
    // It costs what its wait costs, as TD130 and TD131 judge it.
    let (severity, measure) = match (lags, left) {
        (true, _) | (_, true) if stopped.apply(evidence) => {
            let (severity, measure) = not_reading::of_pause(evidence, closing);
            (severity, Some(measure))
        }
        (true, _) if rate > 0.0 => {
            let (severity, measure) = closing.of_wait(evidence.receive_queue as f64 / rate);
            (severity, Some(measure))
        }
        (true, _) => (Severity::Warning, None),
        (false, true) if unread >= limits.least => (Severity::Warning, None),
        (false, true) if unread > 1.0 => (Severity::Info, None),
        _ => return None,
    };
    let confidence = if lags { Confidence::High } else { Confidence::Medium };
    let mut found = RuleMatch::new(severity, confidence, evidence.receive_queue as f64)
        .with(Measure::new("recv_q", evidence.receive_queue as f64, "bytes"))
        .with(Measure::new("least_recv_q", unread, "bytes").over(limits.least))
        .with(Measure::new("much_unread_looks", share, "share").over(limits.share))
        .with(Measure::new("read_rate", rate, "B/s"));
    found.evidence.extend(measure);
    if left {
        let ended = evidence.state == State::CloseWait;
        found.cause = Some(if ended { LEFT_AND_ENDED } else { LEFT }.to_owned());
    }
    Some(found)
}

const LEFT: &str = "The program read nothing the whole time, though data was there to read.";
const LEFT_AND_ENDED: &str = "The peer has sent all that it will send, and the program has not read it: it still sends, or has forgotten the connection. An answer that the peer gave before it closed its direction goes unnoticed.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn queue_is_never_empty() {
        let lagging = crate::diagnosis::Evidence {
            receive_queue: 200_000,
            first_receive_queue: 150_000,
            least_receive_queue: 90_000,
            bytes_received: 1_000_000,
            ..healthy()
        };
        let slow = judged(&RULE, lagging.shows(Sign::MuchUnread, 10)).unwrap();
        assert_eq!((slow.severity, slow.confidence), (Severity::Info, Confidence::High));
        // A program that limits itself to 1 MB/s: 4.9 MB wait for that many seconds, and 5 MB.
        for (queue, severity) in [(4_900_000, Severity::Info), (5_000_000, Severity::Warning)] {
            let limited = crate::diagnosis::Evidence {
                receive_queue: queue,
                first_receive_queue: queue,
                bytes_received: 10_000_000,
                ..lagging
            };
            let found = judged(&RULE, limited.shows(Sign::MuchUnread, 10)).unwrap();
            assert_eq!(found.severity, severity, "{queue}");
            let wait = found.evidence.iter().find(|one| one.field == "wait").unwrap();
            assert_eq!((wait.value, wait.threshold), (queue as f64 / 1e6, Some(5.0)));
        }
        // 200 kB at 256 Mbit/s wait 6 ms.
        let fast = crate::diagnosis::Evidence { bytes_received: 320_000_000, ..lagging };
        let fast = judged(&RULE, fast.shows(Sign::MuchUnread, 10)).unwrap();
        assert_eq!(fast.severity, Severity::Info);
        let caught_up = crate::diagnosis::Evidence { least_receive_queue: 0, ..lagging };
        assert_eq!(judged(&RULE, caught_up.shows(Sign::MuchUnread, 10)), None);
        let left = crate::diagnosis::Evidence {
            receive_queue: 31,
            first_receive_queue: 31,
            least_receive_queue: 31,
            bytes_received: 0,
            ..healthy()
        };
        let untouched = judged(&RULE, left.shows(Sign::Unread, 11)).unwrap();
        assert_eq!((untouched.severity, untouched.cause.as_deref()), (Severity::Info, Some(LEFT)));
        let ended = crate::diagnosis::Evidence { state: State::CloseWait, ..left };
        let ended = judged(&RULE, ended.shows(Sign::Unread, 11)).unwrap();
        assert_eq!(ended.cause.as_deref(), Some(LEFT_AND_ENDED));
        assert_eq!(slow.cause, None, "it reads");
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
