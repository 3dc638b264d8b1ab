//! TD130: waiting for the peer to open its window.

use crate::diagnosis::evidence::Evidence;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};
use crate::diagnosis::sign::Sign;

limits! {
    share: 0.3, "share", "share of the polls with the window closed";
    least: 2.0, "looks", "least number of polls with the window closed";
    wait: 5.0, "s", "seconds that queued data waits at the rate at which the peer takes it, from which it is more than information";
    pause: 30.0, "s", "seconds without new data sent, from which it is more than information if the peer has read before";
    hangs: 120.0, "s", "the same, from which it is critical";
    buffer: 262144.0, "bytes", "bytes that the peer acknowledged, up to which they may all be in its receive buffer";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD130",
    name: "peer-window-closed",
    title: "waiting for the peer to open its window",
    scope: RuleScope::Connection,
    meaning: "The peer advertises a window of zero: its receive buffer is full because its program reads less than is sent, or nothing. While it is closed, only an occasional probe is sent.",
    evidence: "polls with snd_wnd 0 or the zero-window probe timer; what was acknowledged meanwhile; send_q by that rate; last_data_sent, since which the window is closed if nothing was acknowledged",
    guards: "A window that closes for a moment is normal flow control: it has to be closed at several polls. A program that limits its own rate closes the window too, and may pause for many seconds: while the peer takes what is queued soon (limit wait), or has read before and pauses for less than the limit pause, it is information.",
    seen_from: "the sender",
    other_side: "On the peer recv_q of this connection is full (TD131, TD132, which judge by the same limits): its program hangs, waits for a lock, or has stopped reading.",
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
    let reading = limits.reading(evidence);
    let mut found = RuleMatch::new(reading.severity, Confidence::High, share)
        .with(Measure::new("window_closed_looks", share, "share").over(limits.share))
        .with(Measure::new("send_q", evidence.send_queue as f64, "bytes"))
        .with(Measure::new("probes", evidence.unanswered() as f64, "events"))
        .with(Measure::new("rate", evidence.rate(), "B/s"))
        .with(reading.measure);
    found.cause = Some(reading.cause.to_owned());
    Some(found)
}

const SLOW: &str = "The peer advertises a window of zero again and again: its receive buffer is full because its program reads less than is sent. It reads at the rate below: it is busy, or limits the rate on purpose.";
const LITTLE: &str = "The peer advertises a window of zero again and again, and has acknowledged no more than its receive buffer holds while it was watched: its program reads little or nothing. It is busy, hangs, or limits its rate on purpose.";
const PAUSED: &str = "The peer advertises a window of zero: its receive buffer is full, and its program has read nothing for a while. It has read before: it hangs, or pauses because it limits its own rate. Only an occasional probe is sent.";
const NEVER: &str = "The peer advertises a window of zero: its receive buffer is full, and it has acknowledged no more than such a buffer holds since the connection was opened. Its program has probably read nothing at all. Only an occasional probe is sent.";

/// What the peer's program does.
struct Reading {
    severity: Severity,
    /// What decides about the severity.
    measure: Measure,
    cause: &'static str,
}

impl Limits {
    /// How bad it is that the peer's window closes.
    pub(in crate::diagnosis) fn severity(&self, evidence: &Evidence) -> Severity {
        self.reading(evidence).severity
    }

    fn reading(&self, evidence: &Evidence) -> Reading {
        let is_more = |bytes: u64| bytes as f64 > self.buffer;
        let has_read = evidence.bytes_acked_ever.is_none_or(is_more);
        let wait = evidence.send_queue as f64 / evidence.rate().max(1.0);
        let ((severity, measure), cause) = match () {
            () if is_more(evidence.bytes_acked) => (self.of_wait(wait), SLOW),
            () if !has_read => (self.of_pause(stopped_s(evidence), false), NEVER),
            () if takes_data(evidence) => (self.of_wait(wait), LITTLE),
            () => (self.of_pause(stopped_s(evidence), true), PAUSED),
        };
        Reading { severity, measure, cause }
    }

    /// How bad it is that data waits so many seconds for a program that reads, at either end.
    pub(in crate::diagnosis) fn of_wait(&self, seconds: f64) -> (Severity, Measure) {
        let severity = if seconds < self.wait { Severity::Info } else { Severity::Warning };
        (severity, Measure::new("wait", seconds, "s").over(self.wait))
    }

    /// How bad it is that a program has read nothing for so many seconds, at either end.
    pub(in crate::diagnosis) fn of_pause(
        &self,
        seconds: f64,
        has_read: bool,
    ) -> (Severity, Measure) {
        let stopped = Measure::new("stopped", seconds, "s");
        match has_read {
            _ if seconds >= self.hangs => (Severity::Critical, stopped.over(self.hangs)),
            true if seconds < self.pause => (Severity::Info, stopped.over(self.pause)),
            true => (Severity::Warning, stopped.over(self.pause)),
            false => (Severity::Warning, stopped.over(self.hangs)),
        }
    }
}

/// Whether the peer acknowledged more than the byte that a probe may carry.
fn takes_data(evidence: &Evidence) -> bool {
    evidence.bytes_acked > 1
}

/// Seconds since the window has closed, where nothing was acknowledged: probes are no data.
fn stopped_s(evidence: &Evidence) -> f64 {
    evidence.last_data_sent_ms.map_or(0.0, |ms| ms as f64 / 1e3).max(evidence.stalled_s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn severity_depends_on_how_long_data_waits() {
        let stopped = |ms, bytes_acked_ever| Evidence {
            bytes_acked: 0,
            send_queue: 90_000,
            last_data_sent_ms: Some(ms),
            bytes_acked_ever: Some(bytes_acked_ever),
            ..healthy().shows(Sign::PeerWindowClosed, 11)
        };
        for (ms, ever, severity, cause) in [
            (10_000, 60_000, Severity::Warning, NEVER),
            (119_000, 60_000, Severity::Warning, NEVER),
            (120_000, 60_000, Severity::Critical, NEVER),
            // What `curl --limit-rate` does.
            (10_000, 8_000_000, Severity::Info, PAUSED),
            (29_000, 8_000_000, Severity::Info, PAUSED),
            (30_000, 8_000_000, Severity::Warning, PAUSED),
            (120_000, 8_000_000, Severity::Critical, PAUSED),
        ] {
            let found = judged(&RULE, stopped(ms, ever)).unwrap();
            assert_eq!((found.severity, found.cause.as_deref()), (severity, Some(cause)), "{ms}");
        }
        // 4 MB at 229 Mbit/s wait 0.14 s, at 5 Mbit/s 6.4 s.
        let slow = |bits: u64| Evidence {
            bytes_acked: bits / 8 * 10,
            send_queue: 4_000_000,
            ..healthy().shows(Sign::PeerWindowClosed, 8)
        };
        assert_eq!(judged(&RULE, slow(229_000_000)).unwrap().severity, Severity::Info);
        let slow = judged(&RULE, slow(5_000_000)).unwrap();
        assert_eq!((slow.severity, slow.cause.as_deref()), (Severity::Warning, Some(SLOW)));
        // What fills a buffer need not have been read.
        let little = |ever| Evidence {
            bytes_acked: 200_000,
            bytes_acked_ever: Some(ever),
            send_queue: 90_000,
            last_data_sent_ms: Some(1_000),
            ..healthy().shows(Sign::PeerWindowClosed, 8)
        };
        for (ever, severity, cause) in
            [(200_000, Severity::Warning, NEVER), (8_000_000, Severity::Info, LITTLE)]
        {
            let found = judged(&RULE, little(ever)).unwrap();
            assert_eq!((found.severity, found.cause.as_deref()), (severity, Some(cause)), "{ever}");
        }
        assert_eq!(judged(&RULE, healthy().shows(Sign::PeerWindowClosed, 1)), None);
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
