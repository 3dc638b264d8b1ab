//! TD160: the send buffer is too small for the wanted rate.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};

limits! {
    least: 65_536.0, "bytes", "least number of bytes sent";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD160",
    name: "buffer-for-target",
    title: "the send buffer is too small for the wanted rate",
    scope: RuleScope::Connection,
    meaning: "A connection cannot have more in flight than its send buffer holds. The wanted rate (`--target-rate`) needs rate times round trip in flight, and as much again for the kernel's overhead per buffer. The largest buffer that this connection can get is smaller.",
    evidence: "sndbuf, or the third number of net.ipv4.tcp_wmem if the kernel sizes the buffer, against twice the bandwidth-delay product",
    guards: "Judged only if a rate was asked for, and only for connections that sent data: others may never need it.",
    seen_from: "the sender",
    other_side: "On the receiver the same holds for net.ipv4.tcp_rmem.",
    advice: &[
        Advice::with_command(
            "{target} at a round trip of {rtt} needs {bdp} bytes in flight. net.ipv4.tcp_wmem = {net.ipv4.tcp_wmem} allows half of its last number.",
            "sysctl -w net.ipv4.tcp_wmem='{wmem}'",
        ),
        Advice::with_command(
            "The receiver advertises {window} bytes at most so far. If its net.ipv4.tcp_rmem ends below {size}, run this there; its first two numbers are this host's.",
            "sysctl -w net.ipv4.tcp_rmem='{rmem}'",
        ),
        Advice::new(
            "The program fixed the buffer (SO_SNDBUF): leave SO_SNDBUF unset, or ask for {bdp} bytes or more, which the kernel doubles.",
        ).only_with("fixed"),
        Advice::with_command(
            "A program may ask for net.core.wmem_max = {net.core.wmem_max} bytes at most: {bdp} need a higher one.",
            "sysctl -w net.core.wmem_max={bdp}",
        ).only_with("above_most"),
    ],
    references: &["RFC 7323 1.1", "tcp_sndbuf_expand() in net/ipv4/tcp_input.c"],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &["target", "rtt", "bdp", "wmem", "rmem", "window", "size", "fixed", "above_most"],
    judge: Judge::Connection(|input, limits| judge(input, &limits.buffer_for_target)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let (evidence, target) = (input.evidence, input.context.target_rate?);
    let rtt = evidence.min_rtt_us.or(evidence.rtt_us)?;
    if !evidence.sends() || (evidence.bytes_acked as f64) < limits.least {
        return None;
    }
    let [least, initial, most] = input.context.settings.triple("tcp_wmem")?;
    let bdp = target * rtt as f64 / 1e6;
    let wanted = 2.0 * bdp;
    let fixed = evidence.has_fixed_buffer(initial.max(0) as u64, most.max(0) as u64);
    let fixed = evidence.sndbuf.filter(|_| fixed).map(|size| size as f64);
    let available = fixed.unwrap_or(most as f64);
    if available >= wanted {
        return None;
    }
    let size = (wanted.ceil() as i64).max(most).max(1);
    let receive = input.context.settings.triple("tcp_rmem");
    let allowed = input.context.settings.number("wmem_max");
    let bdp_bytes = bdp.ceil() as i64;
    let mut rule_match =
        RuleMatch::new(Severity::Warning, Confidence::High, wanted / available.max(1.0))
            .with(Measure::new("sndbuf_most", available, "bytes").over(wanted))
            .with(Measure::new("rtt", rtt as f64, "us"))
            .with(Measure::new("target_rate", target, "B/s"))
            .with_word("target", format!("{:.3} Gbit/s", target * 8.0 / 1e9))
            .with_word("rtt", format!("{:.1} ms", rtt as f64 / 1e3))
            .with_word("bdp", bdp_bytes.to_string())
            .with_word("size", size.to_string());
    // A window with room needs no larger buffer at the receiver.
    if let (Some([a, b, c]), Some(window)) =
        (receive, evidence.snd_wnd.filter(|&it| (it as f64) < bdp))
    {
        rule_match = rule_match
            .with_word("window", window.to_string())
            .with_word("rmem", format!("{a} {b} {}", c.max(size)));
    }
    if fixed.is_none() {
        return Some(rule_match.with_word("wmem", format!("{least} {initial} {size}")));
    }
    Some(match allowed.is_some_and(|allowed| allowed < bdp_bytes) {
        true => rule_match.with_word("fixed", "").with_word("above_most", ""),
        false => rule_match.with_word("fixed", ""),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::rule::Context;
    use crate::diagnosis::testing::{context, healthy, judged_in};

    #[test]
    fn only_with_a_target_rate() {
        let mut context = context();
        let far = crate::diagnosis::Evidence {
            min_rtt_us: Some(100_000),
            sndbuf: Some(1 << 20),
            ..healthy()
        };
        assert_eq!(judged_in(&RULE, far, &context), None);
        context.target_rate = Some(1.25e9);
        let found = judged_in(&RULE, far, &context).unwrap();
        assert_eq!(found.evidence[0].threshold, Some(250_000_000.0));
        let words = |evidence| judged_in(&RULE, evidence, &context).unwrap().words;
        let has = |words: &[(&str, String)], name| words.iter().any(|(it, _)| *it == name);
        assert!(has(&words(far), "rmem"), "a window of 1 MiB");
        let roomy = crate::diagnosis::Evidence { snd_wnd: Some(130_000_000), ..far };
        assert!(!has(&words(roomy), "rmem") && !has(&words(roomy), "fixed"));
        let fixed = crate::diagnosis::Evidence { sndbuf: Some(9_216), ..far };
        assert!(has(&words(fixed), "above_most") && !has(&words(fixed), "wmem"));
        let slow = Context { target_rate: Some(100_000.0), ..crate::diagnosis::testing::context() };
        let words = judged_in(&RULE, fixed, &slow).unwrap().words;
        assert!(has(&words, "fixed") && !has(&words, "above_most"), "10,000 bytes are allowed");
        let near = crate::diagnosis::Evidence { min_rtt_us: Some(50), ..far };
        assert_eq!(judged_in(&RULE, near, &context), None);
    }
}
