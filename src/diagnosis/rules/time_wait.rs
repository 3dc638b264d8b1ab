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
    guards: "TIME-WAIT is normal on the side that closes first, and thousands of such sockets cost little. Only the limit matters, or the ports (TD306).",
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
    let overflows = input.context.host.growth("TcpExtTCPTimeWaitOverflow");
    let share = waiting / most;
    if waiting < 1.0 || share < limits.share {
        return None;
    }
    Some(
        RuleMatch::new(Severity::Warning, Confidence::High, share)
            .with(Measure::new("time_wait", waiting, "connections").over(most * limits.share))
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
    fn compares_with_the_limit() {
        let context = context();
        let most = context.settings.number("tcp_max_tw_buckets").unwrap() as u64;
        let of = |time_wait| Group { time_wait, ..Group::default() };
        assert!(service(&RULE, &of(most), &context).is_some());
        assert_eq!(service(&RULE, &of(most / 2), &context), None);
        assert_eq!(service(&RULE, &of(0), &context), None);
    }
}
