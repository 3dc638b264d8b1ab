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
    full: 0.5, "share", "size of the segments with data by that of full ones (rcv_mss), below which it is no bulk transfer";
    pauses: 0.3, "share", "most polls since whose predecessor nothing changed";
    far: 3.0, "times", "rcv_rtt by the round trip that acknowledgements measure, above which it is none";
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
    guards: "Only bulk transfers count: segments about as large as rcv_mss, at most polls. Of requests and answers rcv_rtt is no round trip but the time between them: where it is far above the one that acknowledgements measure (limit far), that one counts. A program that reads slowly is TD132. A buffer that grew while it was watched follows the traffic. Without window scaling the window cannot be larger, whatever the buffer (TD142). Where data arrives with gaps, the window has to be used more, since loss makes the peer send less. A sender that happens to send as much in each round trip looks the same: on it, TD101 tells.",
    seen_from: "the receiver",
    other_side: "On the sender: TD101, limited by the window.",
    advice: &[
        Advice::with_command(
            "The kernel begins with the second value of net.ipv4.tcp_rmem = {net.ipv4.tcp_rmem} and ends at the third. {rcvbuf} bytes are outside of that, so the program has set the buffer (SO_RCVBUF, doubled by the kernel, at most twice net.core.rmem_max = {net.core.rmem_max}), and it does not grow: leave SO_RCVBUF unset.",
            "tcpdiag conns --local-port {local_port} --processes --columns remote,rcv_rtt,rcv_wnd,rcv_space,process",
        )
        .only_with("fixed"),
        Advice::with_command(
            "The buffer of {rcvbuf} bytes did not grow, though the kernel may let it grow to the third value of net.ipv4.tcp_rmem = {net.ipv4.tcp_rmem}. If the program has set SO_RCVBUF, leave it unset. If it has not, the kernel has seen no need: look at the sender.",
            "tcpdiag conns --local-port {local_port} --processes --columns remote,rcv_rtt,rcv_wnd,rcv_space,process",
        )
        .only_with("unknown"),
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
    placeholders: &["rcvbuf", "local_port", "rmem_doubled", "fixed", "unknown", "grown", "off"],
    judge: Judge::Connection(|input, limits| judge(input, &limits.own_receive_buffer)),
};

/// `TCPI_OPT_WSCALE`.
const WINDOW_SCALING: u64 = 4;

/// The largest window without scaling, almost.
const UNSCALED: u64 = 60_000;

/// Whether what arrives is a transfer of much data, of which rcv_rtt measures a round trip: the
/// kernel takes it from segments of full size only, and from the time in which a window arrives
/// (`tcp_rcv_rtt_measure()` in net/ipv4/tcp_input.c).
fn is_bulk(evidence: &Evidence, limits: &Limits) -> bool {
    let each = evidence.bytes_received as f64 / evidence.data_segs_in.max(1) as f64;
    let segments = evidence.data_segs_in as f64 / evidence.watched_s.max(0.1);
    segments >= limits.least
        && evidence.rcv_mss.is_none_or(|mss| each >= limits.full * mss as f64)
        && evidence.share_of_polls(Sign::Idle) <= limits.pauses
}

/// Seconds of a round trip, that of acknowledgements where rcv_rtt is far above it.
fn rtt_s(evidence: &Evidence, limits: &Limits) -> Option<f64> {
    let rtt = evidence.receiving_rtt_s()?;
    let measured = evidence.rtt_us.max(evidence.min_rtt_us).map(|us| us as f64 / 1e6);
    // Below a millisecond the hosts' own delays are larger than the path's.
    Some(match measured {
        Some(measured) if rtt > limits.far * measured.max(1e-3) => measured,
        _ => rtt,
    })
}

/// The share of the window that arrives in each round trip.
fn used(evidence: &Evidence, limits: &Limits) -> Option<f64> {
    let window = evidence.largest_rcv_wnd? as f64;
    let rtt = rtt_s(evidence, limits)?;
    let rate = evidence.bytes_received as f64 / evidence.watched_s.max(0.1);
    Some(rate * rtt / window)
}

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let (size, first, window) =
        (evidence.rcvbuf?, evidence.first_rcvbuf?, evidence.largest_rcv_wnd?);
    let used = used(evidence, limits)?;
    let unscaled = evidence.options & WINDOW_SCALING == 0 && window >= UNSCALED;
    // A congestion window that losses make smaller is on average not far below a window that it reaches
    // now and then.
    let gaps = evidence.out_of_order.unwrap_or(0) as f64 / evidence.data_segs_in.max(1) as f64;
    let least = if gaps >= limits.gaps { limits.used_with_gaps } else { limits.used };
    if used < least
        || !is_bulk(evidence, limits)
        || evidence.share_of_polls(Sign::MuchUnread) > limits.unread
        || evidence.polls < 3
        || size > first
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
        () if size < initial.max(0) as u64 || size > most.max(0) as u64 => "fixed",
        () => "unknown",
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
            rtt_us: Some(40_500),
            min_rtt_us: Some(39_500),
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
            Evidence { rcv_rtt_us: Some(4_000), min_rtt_us: Some(3_000), ..filled() },
            Evidence { first_rcvbuf: Some(80_000), ..filled() },
            Evidence { data_segs_in: 100, ..filled() },
            // Requests of 60 bytes, whose rcv_rtt is the time between some of them.
            Evidence { bytes_received: 582_000, rcv_rtt_us: Some(990_000), ..filled() },
            Evidence {
                rcv_rtt_us: Some(40_000),
                rtt_us: Some(900),
                min_rtt_us: Some(300),
                ..filled()
            },
            filled().shows(Sign::Idle, 5),
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
        assert_eq!(word(8_000_000, &format!("{rmem}1\n")), "fixed");
        assert_eq!(word(131_072, &format!("{rmem}1\n")), "unknown");
        assert_eq!(word(400_000, &format!("{rmem}1\n")), "unknown");
        assert_eq!(word(6_291_456, &format!("{rmem}1\n")), "grown");
        assert_eq!(word(131_072, &format!("{rmem}0\n")), "off");
    }
}
