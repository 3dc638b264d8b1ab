//! TD403: many sockets without a program.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, HostInput, Judge, Rule, RuleScope, Severity};
use crate::settings::fullness;

limits! {
    share: fullness::ORPHANS, "share", "share of the limit";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD403",
    name: "orphans",
    title: "many sockets without a program",
    scope: RuleScope::Host,
    meaning: "Closed sockets whose data or FIN the peers do not acknowledge accumulate as orphans. Beyond net.ipv4.tcp_max_orphans the kernel resets them.",
    evidence: "sockstat TCP.orphan against net.ipv4.tcp_max_orphans; TCPAbortOnMemory",
    guards: "Some orphans are normal while connections close. The figure covers the whole host. Resets for want of memory with few orphans are TD402. It is critical when the kernel resets connections, and a warning before.",
    seen_from: "the host",
    other_side: "The peers are gone, or do not read the last data.",
    advice: &[
        Advice::with_command(
            "The limit is net.ipv4.tcp_max_orphans = {net.ipv4.tcp_max_orphans}. See which peers they belong to.",
            "tcpdiag conns --state fin_wait_1 --state last_ack --state closing",
        ),
        Advice::with_command(
            "Give up on them sooner: net.ipv4.tcp_orphan_retries = {net.ipv4.tcp_orphan_retries} (0 stands for 8).",
            "sysctl -w net.ipv4.tcp_orphan_retries=3",
        )
        .only_with("late"),
    ],
    references: &["tcp_check_oom() in net/ipv4/tcp.c"],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &["late"],
    judge: Judge::Host(|input, limits| judge(input, &limits.orphans)),
};

fn judge(input: &HostInput<'_>, limits: &Limits) -> Vec<RuleMatch> {
    let host = &input.context.host;
    let aborted = host.growth("TcpExtTCPAbortOnMemory");
    let (Some(orphans), Some(most)) =
        (host.level("sockstat.TCP.orphan"), input.context.settings.number("tcp_max_orphans"))
    else {
        return Vec::new();
    };
    let share = orphans as f64 / most.max(1) as f64;
    // tcp_out_of_resources() counts a stuck orphan up to fourfold. With fewer it is memory: TD402.
    let is_resetting = aborted.is_some_and(|events| events > 0) && share * 4.0 >= 1.0;
    if !is_resetting && share < limits.share {
        return Vec::new();
    }
    let severity = if is_resetting { Severity::Critical } else { Severity::Warning };
    let rule_match = RuleMatch::new(severity, Confidence::High, share)
        .with(
            Measure::new("sockstat.TCP.orphan", orphans as f64, "sockets")
                .over(most as f64 * limits.share),
        )
        .with_growth("TCPAbortOnMemory", aborted);
    vec![match input.context.gives_up_late() {
        true => rule_match.with_word("late", ""),
        false => rule_match,
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::{CounterReader, Counters, parse_sockstat};
    use crate::diagnosis::testing::{context, of_host};
    use crate::monitor::HostReading;

    #[test]
    fn compares_with_the_limit() {
        let mut context = context();
        let most = context.settings.number("tcp_max_orphans").unwrap();
        for (orphans, found) in [(0, 0), (most / 10, 0), (most, 1)] {
            let counters = parse_sockstat(&format!("TCP: inuse 1 orphan {orphans} mem 3\n"));
            context.host.read(HostReading { counters, ..HostReading::default() }, 1_000);
            assert_eq!(of_host(&RULE, &context).len(), found, "{orphans}");
        }
    }

    #[test]
    fn resets_with_few_orphans_have_another_cause() {
        let most = context().settings.number("tcp_max_orphans").unwrap();
        for (orphans, severity) in [(1, None), (most / 3, Some(Severity::Critical))] {
            let mut context = context();
            for aborted in [0, 4] {
                let text = format!("TcpExt: TCPAbortOnMemory\nTcpExt: {aborted}\n");
                let level = format!("TCP: inuse 1 orphan {orphans} mem 3\n");
                let mut reader = CounterReader::given();
                reader.give([("netstat", text.as_str()), ("sockstat", level.as_str())].into_iter());
                let mut counters = Counters::default();
                reader.sample(&mut counters).unwrap();
                context.host.read(HostReading { counters, ..HostReading::default() }, 1_000);
            }
            let found = of_host(&RULE, &context);
            assert_eq!(found.first().map(|it| it.severity), severity, "{orphans}");
        }
    }
}
