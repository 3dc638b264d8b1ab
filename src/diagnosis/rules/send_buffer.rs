//! TD102: limited by the send buffer.

use crate::diagnosis::evidence::Evidence;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::{FAST, limits};
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};
use crate::diagnosis::sign::Sign;
use crate::diagnosis::sizing::{is_growing, wanted_send_buffer, window};

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
    guards: "In its first 20 round trips a buffer may still grow. If round trips grow with the data in flight, the path is the limit. A buffer counts as fixed by the program only if it was full while the congestion window had room, or is outside of what the kernel chooses. At a high rate (limit fast) the finding is only information, because something always limits the rate. The buffer also fills behind other limits. The kernel counts this time only while nothing else limits the connection, and not if every segment leaves at once; the polls cover that case.",
    seen_from: "the sender",
    other_side: "Nothing: the receiver only sees data come in bursts, a buffer's worth per round trip.",
    advice: &[
        Advice::with_command(
            "The buffer was fixed by the program at {sndbuf} bytes (SO_SNDBUF, at most net.core.wmem_max = {net.core.wmem_max}), so it does not grow by itself. Leave SO_SNDBUF unset, or ask for {wanted} bytes or more, which the kernel doubles: congestion control lets {window} bytes be in flight.",
            "tcpdiag conns --remote-ip {remote_address} --columns remote,rtt,snd_cwnd,sndbuf,sndbuf_limited_share",
        ).only_with("fixed"),
        Advice::with_command(
            "A program may ask for net.core.wmem_max = {net.core.wmem_max} bytes at most: {wanted} need a higher one.",
            "sysctl -w net.core.wmem_max={wanted}",
        )
        .only_with("above_most"),
        Advice::with_command(
            "The buffer has reached its maximum: net.ipv4.tcp_wmem = {net.ipv4.tcp_wmem}. Congestion control lets {window} bytes be in flight, and the buffer holds as much again of overhead.",
            "sysctl -w net.ipv4.tcp_wmem='{wmem}'",
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
        "window",
        "wmem",
        "fixed",
        "above_most",
        "grown",
        "growing",
    ],
    judge: Judge::Connection(|input, limits| judge(input, &limits.send_buffer)),
};

/// Whether round trips grow steadily with the data in flight: then more of it would only wait in a
/// queue, and the path is the limit.
fn fills_a_queue(evidence: &Evidence) -> bool {
    let more =
        evidence.rtt_us.zip(evidence.min_rtt_us).map(|(now, least)| now.saturating_sub(least));
    let is_steady = more.zip(evidence.rttvar_us).is_some_and(|(more, varies)| varies * 2 < more);
    is_steady && evidence.share_of_polls(Sign::Queued) >= 0.5
}

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let limited = evidence.share_of_busy(evidence.sndbuf_limited_us).unwrap_or(0.0);
    let full = evidence.share_of_polls(Sign::SendBufferFull);
    let share = limited.max(if full >= limits.looks { full } else { 0.0 });
    if share < limits.share || evidence.busy_share()? < limits.busy {
        return None;
    }
    if is_growing(evidence) || fills_a_queue(evidence) {
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
    let Some([least, initial, most]) = input.context.settings.triple("tcp_wmem") else {
        return rule_match;
    };
    let evidence = input.evidence;
    let wanted = wanted_send_buffer(evidence, size);
    let rule_match = rule_match
        .with_word("sndbuf", size.to_string())
        .with_word("window", window(evidence).to_string())
        .with_word("wanted", wanted.to_string());
    let (from, to) = (initial.max(0) as u64, most.max(0) as u64);
    if size == to {
        let wmem = format!("{least} {initial} {}", wanted.saturating_mul(2));
        return rule_match.with_word("grown", "").with_word("wmem", wmem);
    }
    // With room in the congestion window the kernel would have enlarged a full buffer of its own.
    let was_full = evidence.polls_with(Sign::SendBufferFull) >= 2 || size < from || size > to;
    if !was_full || !evidence.has_fixed_buffer(from, to) {
        return rule_match.with_word("growing", "");
    }
    let allowed =
        input.context.settings.number("wmem_max").and_then(|most| u64::try_from(most).ok());
    match allowed.is_some_and(|allowed| allowed < wanted) {
        true => rule_match.with_word("fixed", "").with_word("above_most", ""),
        false => rule_match.with_word("fixed", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, healthy, judged, judged_in};

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
        assert!(words(1 << 18).contains(&"growing"));
        // Below what the window needs, but never seen full: nobody set it.
        let small = limited(70, 40_000);
        let kind = |evidence| {
            let found = judged(&RULE, evidence).unwrap();
            let mut words = found.words.into_iter().map(|(name, _)| name);
            words.find(|it| ["fixed", "grown", "growing"].contains(it)).unwrap()
        };
        assert_eq!(kind(small), "growing");
        assert_eq!(kind(small.shows(Sign::SendBufferFull, 4)), "fixed");
    }

    #[test]
    fn sizes_are_computed_for_this_host() {
        let mut context = context();
        let settings =
            [("tcp_wmem", "4096 16384 4194304"), ("wmem_max", "100000"), ("rmem_max", "100000")];
        context.settings = crate::settings::Values::of(&settings);
        let held = crate::diagnosis::Evidence {
            sndbuf_limited_us: Some(6_300_000),
            sndbuf: Some(12_288),
            cwnd: 100,
            rtt_us: Some(40_000),
            ..healthy()
        };
        let words = |evidence| {
            let found = judged_in(&RULE, evidence, &context).unwrap();
            move |name| found.words.iter().find(|(it, _)| *it == name).map(|(_, it)| it.clone())
        };
        let word = words(held);
        assert_eq!(word("wanted").as_deref(), Some("144800"), "100 segments");
        assert_eq!(word("window").as_deref(), Some("144800"));
        assert!(word("above_most").is_some(), "net.core.wmem_max allows 100,000");
        let word = words(crate::diagnosis::Evidence { cwnd: 20, ..held });
        assert_eq!((word("wanted").as_deref(), word("above_most")), (Some("28960"), None));
        let word = words(crate::diagnosis::Evidence { sndbuf: Some(4 << 20), ..held });
        assert_eq!(word("wmem").as_deref(), Some("4096 16384 8388608"));
    }

    #[test]
    fn growing_buffers_and_queues_are_no_limit() {
        let held = crate::diagnosis::Evidence {
            sndbuf_limited_us: Some(6_300_000),
            sndbuf: Some(12_288),
            ..healthy()
        };
        assert!(judged(&RULE, held).is_some());
        let young = crate::diagnosis::Evidence {
            opened_while_watched: true,
            min_rtt_us: Some(500_000),
            ..held
        };
        assert_eq!(judged(&RULE, young), None);
        let queued = crate::diagnosis::Evidence { rtt_us: Some(40_000), ..held };
        assert_eq!(judged(&RULE, queued.shows(Sign::Queued, 8)), None, "a queue on the path");
        assert!(judged(&RULE, queued.shows(Sign::Queued, 3)).is_some());
    }
}
