//! TD305: TIME-WAIT near its limit.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleScope, ServiceInput, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD305",
    name: "time-wait-pressure",
    title: "TIME-WAIT near its limit",
    scope: RuleScope::Service,
    meaning: "So many connections wait in TIME-WAIT that the kernel's limit is near or reached: beyond it, connections end without that state, and old segments may disturb new ones.",
    evidence: "TIME-WAIT sockets against net.ipv4.tcp_max_tw_buckets; TCPTimeWaitOverflow",
    guards: "TIME-WAIT is normal on the side that closes first; thousands of it cost little. Only the limit matters, or the ports (TD306).",
    seen_from: "the side that closes first",
    other_side: "Nothing.",
    advice: &[
        Advice::by(
            "The limit is net.ipv4.tcp_max_tw_buckets = {net.ipv4.tcp_max_tw_buckets}.",
            "sysctl -w net.ipv4.tcp_max_tw_buckets={more}",
        ),
        Advice::new(
            "Better: fewer connections (keep them open), or let the other side close first.",
        ),
    ],
    references: &["RFC 9293 3.6.1", "tcp_time_wait() in net/ipv4/tcp_minisocks.c"],
    explained_by: &[],
    limits: &[Limit::new("share", 0.7, "share", "of the limit")],
    offers: &["more"],
    judge: Judge::Service(judge),
};

/// Places in the list of limits.
const SHARE: usize = 0;

fn judge(case: &ServiceInput<'_>) -> Option<RuleMatch> {
    let most = case.context.settings.number("tcp_max_tw_buckets")?.max(1) as f64;
    let waiting = case.group.time_wait as f64;
    let overflows = case.context.host.grown("TcpExtTCPTimeWaitOverflow").unwrap_or(0);
    let share = waiting / most;
    if waiting < 1.0 || share < case.limit(SHARE) {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Warning, Confidence::High, share)
            .with(Measure::new("time_wait", waiting, "connections").over(most * case.limit(SHARE)))
            .with(Measure::new("TCPTimeWaitOverflow", overflows as f64, "events"))
            .saying("more", format!("{:.0}", most * 2.0)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::groups::Group;
    use crate::diagnosis::testing::{context, service};

    #[test]
    fn near_the_limit() {
        let context = context();
        let most = context.settings.number("tcp_max_tw_buckets").unwrap() as u64;
        let of = |time_wait| Group { time_wait, ..Group::default() };
        assert!(service(&RULE, &of(most), &context).is_some());
        assert_eq!(service(&RULE, &of(most / 2), &context), None);
        assert_eq!(service(&RULE, &of(0), &context), None);
    }
}
