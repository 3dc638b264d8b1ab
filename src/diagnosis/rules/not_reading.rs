//! TD131: the program does not read, and the window is closed.

use super::peer_window_closed;
use crate::diagnosis::evidence::Evidence;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};
use crate::diagnosis::sign::Sign;

limits! {
    share: 0.5, "share", "share of the polls with the window closed";
    least: 2.0, "looks", "least number of polls with the window closed";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD131",
    name: "not-reading",
    title: "the program does not read, and the window is closed",
    scope: RuleScope::Connection,
    meaning: "The receive buffer is full, the window advertised to the peer is zero, and the program read nothing the whole time: the peer cannot send.",
    evidence: "polls with rcv_wnd 0 (Linux 6.2 and later) or rmem_alloc near rcvbuf; bytes read; last_data_recv, since which the window is closed; bytes_received, whether the program has read before",
    guards: "A program that limits its own rate may read a full buffer at once and then pause for many seconds: if it has read before, and pauses for less than the limit pause of TD130, it is information. One that has never read anything is not one of those. It is critical from the limit hangs of TD130. A program that reads slowly is TD132. Unread data in a buffer with free space does not close the window.",
    seen_from: "the receiver",
    other_side: "On the sender: TD130; its probe timer runs.",
    advice: &[
        Advice::with_command(
            "See what the program that has the connection is doing.",
            "tcpdiag conns --local-port {local_port} --columns remote,recv_q,rcv_wnd,process --processes --sort -recv_q",
        ),
        Advice::new(
            "A program that limits its own rate may stop reading for many seconds on purpose. One that does not want more data should close the connection. For a program that hangs, /proc/PID/stack or a debugger shows where.",
        ),
    ],
    references: &["RFC 9293 3.8.6", "__tcp_select_window() in net/ipv4/tcp_output.c"],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &["local_port"],
    judge: Judge::Connection(|input, limits| {
        judge(input, &limits.not_reading, &limits.peer_window_closed)
    }),
};

fn judge(
    input: &RuleInput<'_>,
    limits: &Limits,
    pauses: &peer_window_closed::Limits,
) -> Option<RuleMatch> {
    let evidence = input.evidence;
    if !limits.apply(evidence) {
        return None;
    }
    let (severity, stopped) = of_pause(evidence, pauses);
    let share = evidence.share_of_polls(Sign::OwnWindowClosed);
    let mut found = RuleMatch::new(severity, Confidence::High, evidence.receive_queue as f64)
        .with(Measure::new("window_closed_looks", share, "share").over(limits.share))
        .with(Measure::new("recv_q", evidence.receive_queue as f64, "bytes"))
        .with(Measure::new("bytes_read", evidence.bytes_read() as f64, "bytes"))
        .with(stopped);
    found.cause = Some(if evidence.has_ever_read() { PAUSED } else { NEVER }.to_owned());
    Some(found)
}

const PAUSED: &str = "The receive buffer is full, the window advertised to the peer is zero, and the program read nothing the whole time: the peer cannot send. The program has read before: it hangs, or pauses because it limits its own rate.";
const NEVER: &str = "The receive buffer is full, the window advertised to the peer is zero, and the program has read nothing since the connection was opened: the peer cannot send.";

impl Limits {
    /// Whether a program reads nothing while its window is closed.
    pub(in crate::diagnosis) fn apply(&self, evidence: &Evidence) -> bool {
        let closed = f64::from(evidence.polls_with(Sign::OwnWindowClosed));
        let share = evidence.share_of_polls(Sign::OwnWindowClosed);
        evidence.bytes_read() == 0 && share >= self.share && closed >= self.least
    }
}

/// How bad it is that a program reads nothing, since the last data came and the window closed.
pub(in crate::diagnosis) fn of_pause(
    evidence: &Evidence,
    limits: &peer_window_closed::Limits,
) -> (Severity, Measure) {
    let stopped_s = evidence.last_data_recv_ms.map_or(0.0, |ms| ms as f64 / 1e3);
    limits.of_pause(stopped_s, evidence.has_ever_read())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn closed_window_and_nothing_read() {
        let full = crate::diagnosis::Evidence {
            receive_queue: 300_000,
            first_receive_queue: 300_000,
            bytes_received: 0,
            ..healthy()
        };
        assert!(judged(&RULE, full.shows(Sign::OwnWindowClosed, 10)).is_some());
        assert_eq!(judged(&RULE, full), None);
        let paused = |ms, bytes_received_ever| {
            let paused = Evidence {
                last_data_recv_ms: Some(ms),
                bytes_received_ever: Some(bytes_received_ever),
                ..full.shows(Sign::OwnWindowClosed, 10)
            };
            let found = judged(&RULE, paused).unwrap();
            (found.severity, found.cause.unwrap())
        };
        for (ms, ever, severity, cause) in [
            (6_000, 300_000, Severity::Warning, NEVER),
            (119_000, 300_000, Severity::Warning, NEVER),
            (120_000, 300_000, Severity::Critical, NEVER),
            (6_000, 8_000_000, Severity::Info, PAUSED),
            (30_000, 8_000_000, Severity::Warning, PAUSED),
            (120_000, 8_000_000, Severity::Critical, PAUSED),
        ] {
            assert_eq!(paused(ms, ever), (severity, cause.to_owned()), "{ms} {ever}");
        }
        let read = crate::diagnosis::Evidence { bytes_received: 100_000, ..full };
        assert_eq!(judged(&RULE, read.shows(Sign::OwnWindowClosed, 10)), None);
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
