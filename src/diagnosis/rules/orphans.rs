//! TD403: many sockets that no program holds.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, HostInput, Judge, Limit, Rule, RuleScope, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD403",
    name: "orphans",
    title: "many sockets that no program holds",
    scope: RuleScope::Host,
    meaning: "Closed sockets with data or a FIN that peers do not acknowledge pile up as orphans: beyond net.ipv4.tcp_max_orphans they are reset.",
    evidence: "sockstat TCP.orphan against net.ipv4.tcp_max_orphans; TCPAbortOnMemory",
    guards: "Some orphans are normal while connections close. The figure is of the whole host.",
    seen_from: "the host",
    other_side: "Peers that are gone, or do not read what was sent last.",
    advice: &[
        Advice::by(
            "The limit is net.ipv4.tcp_max_orphans = {net.ipv4.tcp_max_orphans}. See towards whom they are.",
            "tcpdiag conns --state fin_wait_1 --state last_ack --state closing",
        ),
        Advice::by(
            "Give up on them sooner: net.ipv4.tcp_orphan_retries = {net.ipv4.tcp_orphan_retries} (0 stands for 8).",
            "sysctl -w net.ipv4.tcp_orphan_retries=3",
        ),
    ],
    references: &["tcp_check_oom() in net/ipv4/tcp.c"],
    explained_by: &[],
    limits: &[Limit::new("share", 0.5, "share", "of the limit")],
    offers: &[],
    judge: Judge::Host(judge),
};

/// Places in the list of limits.
const SHARE: usize = 0;

fn judge(case: &HostInput<'_>) -> Vec<RuleMatch> {
    let host = &case.context.host;
    let aborted = host.grown("TcpExtTCPAbortOnMemory").unwrap_or(0);
    let (Some(orphans), Some(most)) =
        (host.level("sockstat.TCP.orphan"), case.context.settings.number("tcp_max_orphans"))
    else {
        return Vec::new();
    };
    let share = orphans as f64 / most.max(1) as f64;
    if aborted == 0 && share < case.limit(SHARE) {
        return Vec::new();
    }
    let severity = if aborted > 0 { Severity::Critical } else { Severity::Warning };
    let rule_match = RuleMatch::new(severity, Confidence::High, share)
        .with(
            Measure::new("sockstat.TCP.orphan", orphans as f64, "sockets")
                .over(most as f64 * case.limit(SHARE)),
        )
        .with(Measure::new("TCPAbortOnMemory", aborted as f64, "events"));
    vec![rule_match]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::parse_sockstat;
    use crate::diagnosis::HostReading;
    use crate::diagnosis::testing::{context, of_host};

    #[test]
    fn against_the_limit_that_is_set() {
        let mut context = context();
        let most = context.settings.number("tcp_max_orphans").unwrap();
        for (orphans, found) in [(0, 0), (most / 10, 0), (most, 1)] {
            let counters = parse_sockstat(&format!("TCP: inuse 1 orphan {orphans} mem 3\n"));
            context.host.read(HostReading { counters, ..HostReading::default() }, 1_000);
            assert_eq!(of_host(&RULE, &context).len(), found, "{orphans}");
        }
    }
}
