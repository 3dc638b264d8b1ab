//! TD134: the own receive buffer limits what the peer sends.

use crate::diagnosis::evidence::Evidence;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};
use crate::diagnosis::sign::Sign;

limits! {
    used: 0.5, "share", "share of the window that arrives in each round trip";
    used_with_gaps: 0.8, "share", "the same where data arrives with gaps";
    gaps: 0.01, "share", "share of the segments that arrive after a gap, from which loss may be what makes the peer send less";
    unread: 0.3, "share", "most polls with much data unread";
    least: 20.0, "segments", "least number of segments with data received per second";
    fast: 125e6, "B/s", "rate from which the finding is only information";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD134",
    name: "own-receive-buffer",
    title: "the own receive buffer limits what the peer sends",
    scope: RuleScope::Connection,
    meaning: "The peer sends a whole window in each round trip, the program reads at once, and the receive buffer does not grow: the window that this host advertises is smaller than rate times round trip, and the peer waits for it. Only this end can mend that.",
    evidence: "bytes_received per round trip (the larger of rcv_rtt and min_rtt, unless the handshake was repeated) against the largest rcv_wnd (Linux 6.2 and later, else rcv_ssthresh); rcvbuf at the first and the last poll; recv_q; net.ipv4.tcp_rmem, net.ipv4.tcp_moderate_rcvbuf",
    guards: "A program that reads slowly is TD132. Where this end sends about as often, and is acknowledged much sooner than rcv_rtt, that is the pace of the peer's program and no round trip. A buffer that grew while it was watched follows the traffic. Without window scaling the window cannot be larger, whatever the buffer (TD142). Where data arrives with gaps, the window has to be used more, since loss makes the peer send less. A sender that happens to send as much in each round trip looks the same: on it, TD101 tells.",
    seen_from: "the receiver",
    other_side: "On the sender: TD101, limited by the window.",
    advice: &[
        Advice::with_command(
            "The program has set the buffer to {rcvbuf} bytes (SO_RCVBUF, doubled by the kernel, at most twice net.core.rmem_max = {net.core.rmem_max}), so it does not grow: leave SO_RCVBUF unset.",
            "tcpdiag conns --local-port {local_port} --processes --columns remote,rcv_rtt,rcv_wnd,rcv_space,process",
        )
        .only_with("fixed"),
        Advice::with_command(
            "The buffer has reached its maximum: net.ipv4.tcp_rmem = {net.ipv4.tcp_rmem}. Twice the maximum lets in twice the rate.",
            "sysctl -w net.ipv4.tcp_rmem='{rmem_doubled}'",
        )
        .only_with("grown"),
        Advice::with_command(
            "The kernel may not let buffers grow.",
            "sysctl -w net.ipv4.tcp_moderate_rcvbuf=1",
        )
        .only_with("off"),
    ],
    references: &[
        "RFC 9293 3.8.6",
        "tcp_rcv_space_adjust() in net/ipv4/tcp_input.c, __tcp_select_window() in net/ipv4/tcp_output.c",
    ],
    explained_by: &["TD131", "TD132", "TD142"],
    limits: Limits::LIST,
    placeholders: &["rcvbuf", "local_port", "rmem_doubled", "fixed", "grown", "off"],
    judge: Judge::Connection(|input, limits| judge(input, &limits.own_receive_buffer)),
};

/// `TCPI_OPT_WSCALE`.
const WINDOW_SCALING: u64 = 4;

/// The largest window without scaling, almost.
const UNSCALED: u64 = 60_000;

/// The share of the window that arrives in each round trip.
fn used(evidence: &Evidence) -> Option<f64> {
    let window = evidence.largest_rcv_wnd? as f64;
    let rtt = evidence.receiving_rtt_s()?;
    let rate = evidence.bytes_received as f64 / evidence.watched_s.max(0.1);
    Some(rate * rtt / window)
}

/// Whether `rcv_rtt` is the time in which the peer's program sends a window rather than a round trip
/// (`tcp_rcv_rtt_measure()`): what this end sends, about as often, is acknowledged much sooner.
fn is_pace(evidence: &Evidence) -> bool {
    let sends_too = evidence.data_segs_out * 4 >= evidence.data_segs_in;
    let longest = 4 * evidence.largest_rtt_us + 50_000;
    sends_too && evidence.rcv_rtt_us.is_some_and(|us| us > longest)
}

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let (size, first, window) =
        (evidence.rcvbuf?, evidence.first_rcvbuf?, evidence.largest_rcv_wnd?);
    let used = used(evidence)?;
    let segments = evidence.data_segs_in as f64 / evidence.watched_s.max(0.1);
    let unscaled = evidence.options & WINDOW_SCALING == 0 && window >= UNSCALED;
    // A congestion window that losses make smaller is on average not far below a window that it reaches
    // now and then.
    let gaps = evidence.out_of_order.unwrap_or(0) as f64 / evidence.data_segs_in.max(1) as f64;
    let least = if gaps >= limits.gaps { limits.used_with_gaps } else { limits.used };
    if used < least
        || segments < limits.least
        || evidence.share_of_polls(Sign::MuchUnread) > limits.unread
        || evidence.polls < 3
        || size > first
        || is_pace(evidence)
        || unscaled
    {
        return None;
    }
    let [smallest, initial, most] = input.context.settings.triple("tcp_rmem")?;
    let moderates = input.context.settings.number("tcp_moderate_rcvbuf") != Some(0);
    // What the kernel sizes ends at the maximum, and what it does not size anywhere.
    let word = match () {
        () if size == most.max(0) as u64 => "grown",
        () if !moderates && size == initial.max(0) as u64 => "off",
        () => "fixed",
    };
    let rate = evidence.bytes_received as f64 / evidence.watched_s.max(0.1);
    let severity = if rate >= limits.fast { Severity::Info } else { Severity::Warning };
    Some(
        RuleMatch::new(severity, Confidence::Medium, used)
            .with(Measure::new("window_used", used, "share").over(least))
            .with(Measure::new("rcvbuf", size as f64, "bytes"))
            .with(Measure::new("largest_rcv_wnd", window as f64, "bytes"))
            .with(Measure::new("received_rate", rate, "B/s"))
            .with_known(evidence.rcv_rtt_us.map(|us| Measure::new("rcv_rtt", us as f64, "us")))
            .with_word("rcvbuf", size.to_string())
            .with_word(word, "")
            .with_word("rmem_doubled", format!("{smallest} {initial} {}", most.saturating_mul(2))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, healthy, judged, judged_in};
    use crate::settings::Values;

    /// 1.4 MB/s over 40 ms through a window of 60 kB.
    fn filled() -> Evidence {
        Evidence {
            rcvbuf: Some(100_000),
            first_rcvbuf: Some(100_000),
            largest_rcv_wnd: Some(60_000),
            rcv_rtt_us: Some(40_000),
            bytes_received: 14_000_000,
            data_segs_in: 9_700,
            ..healthy()
        }
    }

    #[test]
    fn a_window_in_each_round_trip() {
        let found = judged(&RULE, filled()).unwrap();
        assert_eq!(found.severity, Severity::Warning);
        assert!((found.evidence[0].value - 0.933).abs() < 0.01);
        for other in [
            healthy(),
            Evidence { rcv_rtt_us: Some(4_000), ..filled() },
            Evidence { first_rcvbuf: Some(80_000), ..filled() },
            Evidence { data_segs_in: 100, ..filled() },
            Evidence { options: 3, ..filled() },
            // Requests and answers within 5 ms: the peer's program takes 1.2 s to send a window.
            Evidence { rcv_rtt_us: Some(1_240_000), bytes_received: 400_000, ..filled() },
            // The handshake was repeated after a second.
            Evidence { bytes_received: 1_000_000, min_rtt_us: Some(1_042_000), ..filled() },
            filled().shows(Sign::MuchUnread, 6),
            Evidence { bytes_received: 8_000_000, out_of_order: Some(400), ..filled() },
        ] {
            assert_eq!(judged(&RULE, other), None, "{other:?}");
        }
        for other in [
            Evidence { bytes_received: 8_000_000, out_of_order: Some(9), ..filled() },
            Evidence { out_of_order: Some(400), ..filled() },
        ] {
            assert!(judged(&RULE, other).is_some(), "{other:?}");
        }
    }

    #[test]
    fn advice_depends_on_who_sized_the_buffer() {
        let word = |size, settings: &str| {
            let mut context = context();
            context.settings = Values::recorded(settings);
            let sized = Evidence { rcvbuf: Some(size), first_rcvbuf: Some(size), ..filled() };
            let words = judged_in(&RULE, sized, &context).unwrap().words;
            words.into_iter().map(|(name, _)| name).nth(1).unwrap()
        };
        let rmem = "net.ipv4.tcp_rmem 4096 131072 6291456\nnet.ipv4.tcp_moderate_rcvbuf ";
        assert_eq!(word(16_384, &format!("{rmem}1\n")), "fixed");
        assert_eq!(word(6_291_456, &format!("{rmem}1\n")), "grown");
        assert_eq!(word(131_072, &format!("{rmem}0\n")), "off");
    }
}
