//! TD160: a send buffer too small for the rate that is wanted.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD160",
    name: "buffer-for-target",
    title: "a send buffer too small for the rate that is wanted",
    scope: RuleScope::Connection,
    meaning: "A connection can have no more in flight than its send buffer holds. The rate that was asked for (`--target-rate`) needs rate times round trip in flight, and as much again for what the kernel spends on each buffer; the largest this connection may get is less.",
    evidence: "sndbuf, or the third number of net.ipv4.tcp_wmem where the buffer grows by itself, against twice the bandwidth-delay product",
    guards: "Judged only where a rate was asked for, and only of connections that sent data: others may never need it.",
    seen_from: "the sender",
    other_side: "On the receiver the same holds for net.ipv4.tcp_rmem.",
    advice: &[
        Advice::by(
            "For {target} at a round trip of {rtt} there have to be {bdp} bytes in flight; net.ipv4.tcp_wmem = {net.ipv4.tcp_wmem} allows half of its last number.",
            "sysctl -w net.ipv4.tcp_wmem='{wmem}'",
        ),
        Advice::by("The receiver needs as much: there.", "sysctl -w net.ipv4.tcp_rmem='{rmem}'"),
        Advice::by(
            "The program fixed the buffer itself (SO_SNDBUF): leave that out, or ask for {bdp} bytes and more, up to net.core.wmem_max = {net.core.wmem_max}.",
            "sysctl -w net.core.wmem_max={half}",
        ).only_with("fixed"),
    ],
    references: &["RFC 7323 1.1", "tcp_sndbuf_expand() in net/ipv4/tcp_input.c"],
    explained_by: &[],
    limits: &[Limit::new("least", 65_536.0, "bytes", "sent at least")],
    offers: &["target", "rtt", "bdp", "wmem", "rmem", "fixed", "half"],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const LEAST: usize = 0;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let (evidence, target) = (case.evidence, case.context.target_rate?);
    let rtt = evidence.min_rtt_us.unwrap_or(evidence.rtt_us);
    if !evidence.sends() || rtt == 0 || (evidence.bytes_acked as f64) < case.limit(LEAST) {
        return None;
    }
    let [least, initial, most] = case.context.settings.triple("tcp_wmem")?;
    let bdp = target * rtt as f64 / 1e6;
    let wanted = 2.0 * bdp;
    let fixed = evidence.has_fixed_buffer(initial.max(0) as u64, most.max(0) as u64);
    let fixed = evidence.sndbuf.filter(|_| fixed).map(|size| size as f64);
    let room = fixed.unwrap_or(most as f64);
    if room >= wanted {
        return None;
    }
    let size = (wanted as i64).max(most).max(1);
    let receive = case.context.settings.triple("tcp_rmem");
    let rule_match = RuleMatch::new(Severity::Warning, Confidence::High, wanted / room.max(1.0))
        .with(Measure::new("sndbuf_most", room, "bytes").over(wanted))
        .with(Measure::new("rtt", rtt as f64, "us"))
        .with(Measure::new("target_rate", target, "B/s"))
        .saying("target", format!("{:.3} Gbit/s", target * 8.0 / 1e9))
        .saying("rtt", format!("{:.1} ms", rtt as f64 / 1e3))
        .saying("bdp", format!("{bdp:.0}"));
    let rule_match = match receive {
        Some([a, b, c]) => rule_match.saying("rmem", format!("{a} {b} {}", c.max(size))),
        None => rule_match,
    };
    Some(match fixed {
        Some(_) => rule_match.saying("fixed", "").saying("half", format!("{bdp:.0}")),
        None => rule_match.saying("wmem", format!("{least} {initial} {size}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, healthy, judged_in};

    #[test]
    fn only_where_a_rate_is_wanted() {
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
        let near = crate::diagnosis::Evidence { min_rtt_us: Some(50), ..far };
        assert_eq!(judged_in(&RULE, near, &context), None);
    }
}
