//! TD402: TCP is short of memory.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, HostInput, Judge, Rule, RuleScope, Severity};
use crate::settings::fullness;

limits! {
    share: fullness::MEMORY, "share", "share of the second number of net.ipv4.tcp_mem";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD402",
    name: "tcp-memory-short",
    title: "TCP is short of memory",
    scope: RuleScope::Host,
    meaning: "All TCP sockets of the host together use so much memory that the kernel shrinks buffers (pressure) or refuses connections.",
    evidence: "sockstat TCP.mem against net.ipv4.tcp_mem; TCPMemoryPressures",
    guards: "Below the second number of tcp_mem the kernel does nothing. The figure covers the whole host, whichever namespace reads it.",
    seen_from: "the host",
    other_side: "Peers see small windows.",
    advice: &[
        Advice::with_command(
            "The limits in pages are net.ipv4.tcp_mem = {net.ipv4.tcp_mem}. See which sockets use most.",
            "tcpdiag conns --sort -wmem_queued --limit 10 --columns remote,wmem_queued,rmem_alloc,process --processes",
        ),
        Advice::new(
            "The usual cause is many slow readers or writers with large buffers: TD131, TD132, TD151. Otherwise raise tcp_mem, if there is memory.",
        ),
    ],
    references: &["tcp_enter_memory_pressure() in net/ipv4/tcp.c"],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &[],
    judge: Judge::Host(|input, limits| judge(input, &limits.memory_pressure)),
};

fn judge(input: &HostInput<'_>, limits: &Limits) -> Vec<RuleMatch> {
    let host = &input.context.host;
    let begun = host.growth("TcpExtTCPMemoryPressures");
    let used = host.level("sockstat.TCP.mem");
    let tcp_mem = input.context.settings.triple("tcp_mem");
    let share =
        used.zip(tcp_mem).map(|(used, [_, pressure, _])| used as f64 / pressure.max(1) as f64);
    let near = share.is_some_and(|share| share >= limits.share);
    if begun.is_none_or(|events| events == 0) && !near {
        return Vec::new();
    }
    let refused = used.zip(tcp_mem).is_some_and(|(used, [_, _, most])| used as i64 >= most);
    let severity = if refused { Severity::Critical } else { Severity::Warning };
    let mut rule_match = RuleMatch::new(severity, Confidence::High, share.unwrap_or(1.0))
        .with_growth("TCPMemoryPressures", begun);
    if let (Some(used), Some([_, pressure, _])) = (used, tcp_mem) {
        let measure = Measure::new("sockstat.TCP.mem", used as f64, "pages");
        rule_match = rule_match.with(measure.over(pressure as f64 * limits.share));
    }
    vec![rule_match]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, host, of_host};

    #[test]
    fn pressure_matches() {
        let mut context = context();
        assert!(of_host(&RULE, &context).is_empty());
        context.host = host(&[("TcpExtTCPMemoryPressures", 1)]);
        assert_eq!(of_host(&RULE, &context).len(), 1);
        context.host = host(&[("TcpExtTCPMemoryPressures", 0)]);
        assert!(of_host(&RULE, &context).is_empty());
    }
}
