//! TD102: held back by the send buffer.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};
use crate::diagnosis::sign::Sign;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD102",
    name: "send-buffer",
    title: "held back by the send buffer",
    scope: RuleScope::Connection,
    meaning: "The program has more to write than the send buffer takes, and what the buffer holds is in flight: the buffer is smaller than rate times round trip. The network would carry more.",
    evidence: "sndbuf_limited as a share of busy_time, both of the time that was watched; looks that found the buffer full, all of it in flight, and room in the congestion window",
    guards: "A connection that gets 1 Gbit/s and more is only mentioned: somebody has to be the limit. A buffer is full behind any other obstacle too; the kernel counts this time only while nothing else holds the connection back, and not where every segment leaves at once: hence the looks.",
    seen_from: "the sender",
    other_side: "Nothing: the receiver only sees data come in bursts, a buffer's worth per round trip.",
    advice: &[
        Advice::by(
            "The buffer was fixed by the program at {sndbuf} bytes (SO_SNDBUF, at most net.core.wmem_max = {net.core.wmem_max}), so it does not grow by itself: leave SO_SNDBUF unset, or ask for at least {wanted} bytes.",
            "tcpdiag conns --remote-ip {remote_address} --columns remote,rtt,snd_cwnd,sndbuf,sndbuf_limited_share",
        ).only_with("fixed"),
        Advice::by(
            "The buffer is at its largest: net.ipv4.tcp_wmem = {net.ipv4.tcp_wmem}. At a round trip of {rtt} its double carries twice as much.",
            "sysctl -w net.ipv4.tcp_wmem='{wmem_doubled}'",
        ).only_with("grown"),
        Advice::new(
            "The buffer may still grow (net.ipv4.tcp_wmem = {net.ipv4.tcp_wmem}); it follows the congestion window. If this lasts, look at what keeps that small.",
        ).only_with("growing"),
    ],
    references: &[
        "RFC 9293 3.8",
        "tcp_sndbuf_expand() in net/ipv4/tcp_input.c, tcp_chrono_start() in net/ipv4/tcp_output.c",
    ],
    explained_by: &["TD160", "TD101", "TD130"],
    limits: &[
        Limit::new("share", 0.3, "share", "of the busy time that the send buffer held back"),
        Limit::new("busy", 0.3, "share", "of the watched time with something to send"),
        Limit::new("looks", 0.6, "share", "of the looks that found the buffer full and all in flight"),
        Limit::new("fast", 125e6, "B/s", "from this rate on the finding is only information"),
    ],
    offers: &[
        "remote_address",
        "sndbuf",
        "wanted",
        "rtt",
        "wmem_doubled",
        "fixed",
        "grown",
        "growing",
    ],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const SHARE: usize = 0;
const BUSY: usize = 1;
const LOOKS: usize = 2;
const FAST: usize = 3;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let evidence = case.evidence;
    let told = evidence.share_of_busy(evidence.sndbuf_limited_us).unwrap_or(0.0);
    let seen = evidence.share_of_looks(Sign::BufferFull);
    let share = told.max(if seen >= case.limit(LOOKS) { seen } else { 0.0 });
    if share < case.limit(SHARE) || evidence.busy_share()? < case.limit(BUSY) {
        return None;
    }
    let fast = evidence.rate() >= case.limit(FAST);
    let severity = if fast { Severity::Info } else { Severity::Warning };
    let rule_match = RuleMatch::new(severity, Confidence::High, share)
        .with(Measure::new("sndbuf_limited_share", told, "share").over(case.limit(SHARE)))
        .with(Measure::new("sndbuf_full_looks", seen, "share").over(case.limit(LOOKS)))
        .with(Measure::new("rate", evidence.rate(), "B/s"));
    Some(match evidence.sndbuf {
        Some(size) => {
            which(case, size, rule_match.with(Measure::new("sndbuf", size as f64, "bytes")))
        }
        None => rule_match,
    })
}

/// Whether the program fixed the buffer, the setting ended its growth, or it may still grow.
fn which(case: &RuleInput<'_>, size: u64, rule_match: RuleMatch) -> RuleMatch {
    let Some([_, initial, most]) = case.context.settings.triple("tcp_wmem") else {
        return rule_match;
    };
    let (initial, most) = (initial.max(0) as u64, most.max(0) as u64);
    let rule_match = rule_match
        .saying("sndbuf", size.to_string())
        .saying("wanted", (size * 2).to_string())
        .saying("rtt", format!("{:.1} ms", case.evidence.rtt_us as f64 / 1e3));
    if size >= most {
        let doubled = doubled(case);
        return rule_match.saying("grown", "").saying("wmem_doubled", doubled);
    }
    if case.evidence.has_fixed_buffer(initial, most) {
        return rule_match.saying("fixed", "");
    }
    rule_match.saying("growing", "")
}

fn doubled(case: &RuleInput<'_>) -> String {
    let [least, initial, most] =
        case.context.settings.triple("tcp_wmem").unwrap_or([4096, 16_384, 4 << 20]);
    format!("{least} {initial} {}", most.saturating_mul(2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn the_buffer_and_whose_it_is() {
        let limited = |share: u64, sndbuf| crate::diagnosis::Evidence {
            sndbuf_limited_us: Some(90_000 * share),
            sndbuf: Some(sndbuf),
            ..healthy()
        };
        assert_eq!(judged(&RULE, limited(0, 16_384)), None);
        assert_eq!(judged(&RULE, limited(20, 16_384)), None);
        let full = limited(0, 16_384).shows(Sign::BufferFull, 9);
        assert_eq!(judged(&RULE, full).unwrap().evidence[1].value, 9.0 / 11.0);
        let says = |sndbuf| {
            let words = judged(&RULE, limited(70, sndbuf)).unwrap().words;
            words.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert!(says(4_608).contains(&"fixed"));
        assert!(says(1 << 30).contains(&"wmem_doubled"));
        assert!(says(1 << 18).contains(&"growing"));
    }
}
