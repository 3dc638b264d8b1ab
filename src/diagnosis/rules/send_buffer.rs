//! TD102: limited by the send buffer.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::{FAST, limits};
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};
use crate::diagnosis::sign::Sign;

limits! {
    share: 0.3, "share", "share of the busy time in which the send buffer limited the sender";
    busy: 0.3, "share", "share of the watched time with data to send";
    looks: 0.6, "share", "share of the polls with the buffer full and all of it in flight";
    fast: FAST, "B/s", "rate from which the finding is only information";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD102",
    name: "send-buffer",
    title: "limited by the send buffer",
    scope: RuleScope::Connection,
    meaning: "The program has more to write than the send buffer takes, and what the buffer holds is in flight: the buffer is smaller than rate times round trip. The network would carry more.",
    evidence: "sndbuf_limited as a share of busy_time, both over the watched time; polls with the buffer full, all of it in flight, and congestion window to spare",
    guards: "At 1 Gbit/s and more the finding is only information, because something always limits the rate. The buffer also fills behind other limits. The kernel counts this time only while nothing else limits the connection, and not if every segment leaves at once; the polls cover that case.",
    seen_from: "the sender",
    other_side: "Nothing: the receiver only sees data come in bursts, a buffer's worth per round trip.",
    advice: &[
        Advice::with_command(
            "The buffer was fixed by the program at {sndbuf} bytes (SO_SNDBUF, at most net.core.wmem_max = {net.core.wmem_max}), so it does not grow by itself: leave SO_SNDBUF unset, or ask for at least {wanted} bytes.",
            "tcpdiag conns --remote-ip {remote_address} --columns remote,rtt,snd_cwnd,sndbuf,sndbuf_limited_share",
        ).only_with("fixed"),
        Advice::with_command(
            "The buffer has reached its maximum: net.ipv4.tcp_wmem = {net.ipv4.tcp_wmem}. At a round trip of {rtt} twice the buffer carries twice the rate.",
            "sysctl -w net.ipv4.tcp_wmem='{wmem_doubled}'",
        ).only_with("grown"),
        Advice::new(
            "The buffer can still grow (net.ipv4.tcp_wmem = {net.ipv4.tcp_wmem}): it follows the congestion window. If the finding stays, find out what keeps the window small.",
        ).only_with("growing"),
    ],
    references: &[
        "RFC 9293 3.8",
        "tcp_sndbuf_expand() in net/ipv4/tcp_input.c, tcp_chrono_start() in net/ipv4/tcp_output.c",
    ],
    explained_by: &["TD160", "TD101", "TD130"],
    limits: Limits::LIST,
    placeholders: &[
        "remote_address",
        "sndbuf",
        "wanted",
        "rtt",
        "wmem_doubled",
        "fixed",
        "grown",
        "growing",
    ],
    judge: Judge::Connection(|input, limits| judge(input, &limits.send_buffer)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let limited = evidence.share_of_busy(evidence.sndbuf_limited_us).unwrap_or(0.0);
    let full = evidence.share_of_polls(Sign::SendBufferFull);
    let share = limited.max(if full >= limits.looks { full } else { 0.0 });
    if share < limits.share || evidence.busy_share()? < limits.busy {
        return None;
    }
    let fast = evidence.rate() >= limits.fast;
    let severity = if fast { Severity::Info } else { Severity::Warning };
    let rule_match = RuleMatch::new(severity, Confidence::High, share)
        .with(Measure::new("sndbuf_limited_share", limited, "share").over(limits.share))
        .with(Measure::new("sndbuf_full_looks", full, "share").over(limits.looks))
        .with(Measure::new("rate", evidence.rate(), "B/s"));
    Some(match evidence.sndbuf {
        Some(size) => {
            with_advice(input, size, rule_match.with(Measure::new("sndbuf", size as f64, "bytes")))
        }
        None => rule_match,
    })
}

/// Adds the words for a buffer that the program fixed, that is at its maximum, or that can grow.
fn with_advice(input: &RuleInput<'_>, size: u64, rule_match: RuleMatch) -> RuleMatch {
    let Some([_, initial, most]) = input.context.settings.triple("tcp_wmem") else {
        return rule_match;
    };
    let (initial, most) = (initial.max(0) as u64, most.max(0) as u64);
    let rule_match = rule_match
        .with_word("sndbuf", size.to_string())
        .with_word("wanted", (size * 2).to_string())
        .with_word("rtt", round_trip(input.evidence.rtt_us));
    if size >= most {
        let doubled = doubled(input);
        return rule_match.with_word("grown", "").with_word("wmem_doubled", doubled);
    }
    if input.evidence.has_fixed_buffer(initial, most) {
        return rule_match.with_word("fixed", "");
    }
    rule_match.with_word("growing", "")
}

fn round_trip(rtt_us: Option<u64>) -> String {
    rtt_us.map_or_else(|| "unknown length".to_owned(), |us| format!("{:.1} ms", us as f64 / 1e3))
}

fn doubled(input: &RuleInput<'_>) -> String {
    let [least, initial, most] =
        input.context.settings.triple("tcp_wmem").unwrap_or([4096, 16_384, 4 << 20]);
    format!("{least} {initial} {}", most.saturating_mul(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn advice_depends_on_who_sized_the_buffer() {
        let limited = |share: u64, sndbuf| crate::diagnosis::Evidence {
            sndbuf_limited_us: Some(90_000 * share),
            sndbuf: Some(sndbuf),
            ..healthy()
        };
        assert_eq!(judged(&RULE, limited(0, 16_384)), None);
        assert_eq!(judged(&RULE, limited(20, 16_384)), None);
        let full = limited(0, 16_384).shows(Sign::SendBufferFull, 9);
        assert_eq!(judged(&RULE, full).unwrap().evidence[1].value, 9.0 / 11.0);
        let words = |sndbuf| {
            let found = judged(&RULE, limited(70, sndbuf)).unwrap();
            found.words.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert!(words(4_608).contains(&"fixed"));
        assert!(words(1 << 30).contains(&"wmem_doubled"));
        assert!(words(1 << 18).contains(&"growing"));
    }
}
