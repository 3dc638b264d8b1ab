//! TD142: no window scaling.

use crate::diagnosis::connection_history::WINDOW_SCALING;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleInput, RuleScope, Severity,
};
use crate::model::State;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD142",
    name: "no-window-scaling",
    title: "no window scaling",
    scope: RuleScope::Connection,
    meaning: "One of the ends did not offer window scaling in the handshake, so no more than 64 KiB can be in flight either way: at a round trip of 50 ms that is 10 Mbit/s.",
    evidence: "options without window scaling; rtt, and what is sent",
    guards: "Only connections that carried data are mentioned, and where the round trip is so short that 64 KiB suffice, only as information.",
    seen_from: "both sides",
    other_side: "The same option is missing there; whoever's SYN had none is to be asked.",
    advice: &[
        Advice::by(
            "Here net.ipv4.tcp_window_scaling = {net.ipv4.tcp_window_scaling}; it has to be 1 on both ends.",
            "sysctl -w net.ipv4.tcp_window_scaling=1",
        ),
        Advice::new(
            "If both have it, a firewall or load balancer on the way strips the option. SYN cookies drop it too, where timestamps are off.",
        ),
    ],
    references: &["RFC 7323 2", "tcp_parse_options() in net/ipv4/tcp_input.c"],
    explained_by: &[],
    limits: &[
        Limit::new("least", 65_536.0, "bytes", "sent or received at least"),
        Limit::new("rtt", 5.0, "ms", "of round trip from which it hurts"),
    ],
    offers: &[],
    judge: Judge::Connection(judge),
};

/// Places in the list of limits.
const LEAST: usize = 0;
const RTT: usize = 1;

fn judge(case: &RuleInput<'_>) -> Option<RuleMatch> {
    let evidence = case.evidence;
    let carried = evidence.bytes_acked.max(evidence.bytes_received) as f64;
    let connected = matches!(evidence.state, State::Established | State::CloseWait);
    if !connected
        || evidence.options & WINDOW_SCALING != 0
        || evidence.rtt_us == 0
        || carried < case.limit(LEAST)
    {
        return None;
    }
    let rtt_ms = evidence.rtt_us as f64 / 1e3;
    let severity = if rtt_ms >= case.limit(RTT) { Severity::Warning } else { Severity::Info };
    Some(
        RuleMatch::new(severity, Confidence::High, rtt_ms)
            .with(Measure::new("rtt", evidence.rtt_us as f64, "us").over(case.limit(RTT) * 1e3))
            .with(Measure::new("most_possible", 65_535.0 / (rtt_ms / 1e3), "B/s"))
            .with(Measure::new("rate", evidence.rate(), "B/s")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn where_it_hurts() {
        let without = crate::diagnosis::Evidence { options: 3, rtt_us: 50_000, ..healthy() };
        assert_eq!(judged(&RULE, without).unwrap().severity, Severity::Warning);
        let near = crate::diagnosis::Evidence { rtt_us: 200, ..without };
        assert_eq!(judged(&RULE, near).unwrap().severity, Severity::Info);
        let small = crate::diagnosis::Evidence { bytes_acked: 100, bytes_received: 100, ..without };
        assert_eq!(judged(&RULE, small), None);
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
