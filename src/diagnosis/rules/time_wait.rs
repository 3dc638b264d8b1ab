//! TD305: TIME-WAIT near its limit.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleScope, ServiceInput, Severity};
use crate::settings::fullness;

limits! {
    share: fullness::TIME_WAIT, "share", "share of the limit";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD305",
    name: "time-wait-pressure",
    title: "TIME-WAIT near its limit",
    scope: RuleScope::Service,
    meaning: "The number of connections in TIME-WAIT is near or at the kernel's limit. Beyond it connections end without that state, and old segments may disturb new connections.",
    evidence: "TIME-WAIT sockets against net.ipv4.tcp_max_tw_buckets; TCPTimeWaitOverflow",
    guards: "Below the limit nothing is lost: it is a warning only when connections ended without TIME-WAIT. The limit is for all services of the namespace, and the service with most of them is reported. TIME-WAIT is normal on the side that closes first, and thousands of such sockets cost little. Only the limit matters, or the ports (TD306).",
    seen_from: "the side that closes first",
    other_side: "Nothing.",
    advice: &[
        Advice::with_command(
            "The limit is net.ipv4.tcp_max_tw_buckets = {net.ipv4.tcp_max_tw_buckets}.",
            "sysctl -w net.ipv4.tcp_max_tw_buckets={more}",
        ),
        Advice::new(
            "It is better to have fewer connections (keep them open), or to let the other side close first.",
        ),
    ],
    references: &["RFC 9293 3.6.1", "tcp_time_wait() in net/ipv4/tcp_minisocks.c"],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &["more"],
    judge: Judge::Service(|input, limits| judge(input, &limits.time_wait)),
};

fn judge(input: &ServiceInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let most = input.context.settings.number("tcp_max_tw_buckets")?.max(1) as f64;
    let waiting = input.group.time_wait as f64;
    let host = &input.context.host;
    let overflows = host.growth("TcpExtTCPTimeWaitOverflow");
    // The limit is for all services together; the one with most of them is reported.
    let all = host.level("sockstat.TCP.tw").map_or(waiting, |all| waiting.max(all as f64));
    let share = all / most;
    if waiting < 1.0 || waiting * 2.0 < all || share < limits.share {
        return None;
    }
    let is_over = overflows.is_some_and(|events| events > 0);
    let severity = if is_over { Severity::Warning } else { Severity::Info };
    Some(
        RuleMatch::new(severity, Confidence::High, share)
            .with(Measure::new("time_wait", all, "connections").over(most * limits.share))
            .with(Measure::new("time_wait_of_service", waiting, "connections"))
            .with_growth("TCPTimeWaitOverflow", overflows)
            .with_word("more", format!("{:.0}", most * 2.0)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::groups::Group;
    use crate::diagnosis::testing::{context, service};

    #[test]
    fn the_limit_is_for_all_services() {
        let mut context = context();
        let most = context.settings.number("tcp_max_tw_buckets").unwrap() as u64;
        let text = format!("TCP: inuse 1 orphan 0 tw {most} alloc 1 mem 1\n");
        let counters = crate::counters::parse_sockstat(&text);
        let reading = crate::monitor::HostReading { counters, ..Default::default() };
        context.host.read(reading, 1_000);
        let of = |time_wait| Group { time_wait, ..Group::default() };
        let found = service(&RULE, &of(most * 3 / 5), &context).unwrap();
        assert_eq!(found.evidence[0].value, most as f64);
        assert_eq!(service(&RULE, &of(most / 3), &context), None, "another service has more");
    }

    #[test]
    fn compares_with_the_limit() {
        let context = context();
        let most = context.settings.number("tcp_max_tw_buckets").unwrap() as u64;
        let of = |time_wait| Group { time_wait, ..Group::default() };
        assert_eq!(service(&RULE, &of(most), &context).unwrap().severity, Severity::Info);
        let mut over = crate::diagnosis::testing::context();
        over.host = crate::diagnosis::testing::host(&[("TcpExtTCPTimeWaitOverflow", 7)]);
        assert_eq!(service(&RULE, &of(most), &over).unwrap().severity, Severity::Warning);
        assert_eq!(service(&RULE, &of(most / 2), &context), None);
        assert_eq!(service(&RULE, &of(0), &context), None);
    }
}
