//! TD142: no window scaling.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};
use crate::model::State;
use crate::wire::uapi::TCPI_OPT_WSCALE;

limits! {
    least: 65_536.0, "bytes", "least number of bytes sent or received";
    rtt: 5.0, "ms", "round trip in milliseconds from which it is a warning";
    used: 0.3, "share", "share of what the window allows that is used while there is something to send, from which it is a warning";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD142",
    name: "no-window-scaling",
    title: "no window scaling",
    scope: RuleScope::Connection,
    meaning: "One of the ends did not offer window scaling in the handshake, so at most 64 KiB can be in flight in each direction. At a round trip of 50 ms that is 10 Mbit/s.",
    evidence: "options without window scaling; rtt, and the rate",
    guards: "Only connections that carried data are reported. If the round trip is so short that 64 KiB are enough, or the connection does not use what they allow, it is only information.",
    seen_from: "both sides",
    other_side: "The same option is missing there. Find the side whose SYN did not offer it.",
    advice: &[
        Advice::with_command(
            "On this host net.ipv4.tcp_window_scaling = {net.ipv4.tcp_window_scaling}: switch it on. The setting is for connections that are opened after it.",
            "sysctl -w net.ipv4.tcp_window_scaling=1",
        )
        .only_with("off"),
        Advice::new(
            "This host offers window scaling: look at net.ipv4.tcp_window_scaling of the peer.",
        )
        .only_with("on"),
        Advice::new(
            "If it is 1 on both ends, a firewall or load balancer on the path removes the option. SYN cookies drop it too if timestamps are off.",
        ),
    ],
    references: &["RFC 7323 2", "tcp_parse_options() in net/ipv4/tcp_input.c"],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &["off", "on"],
    judge: Judge::Connection(|input, limits| judge(input, &limits.no_window_scaling)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let carried = evidence.bytes_acked.max(evidence.bytes_received) as f64;
    let connected = matches!(evidence.state, State::Established | State::CloseWait);
    if !connected || evidence.options & u64::from(TCPI_OPT_WSCALE) != 0 || carried < limits.least {
        return None;
    }
    let rtt_us = evidence.rtt_us? as f64;
    let rtt_ms = rtt_us / 1e3;
    let most = 65_535.0 / (rtt_ms.max(0.001) / 1e3);
    // What is idle or sends little at a time does not wait for the window.
    let busy_s = evidence.busy_us.map_or(evidence.watched_s, |us| us as f64 / 1e6).max(0.001);
    let sent = evidence.bytes_acked as f64 / busy_s;
    let received = evidence.bytes_received as f64 / evidence.watched_s.max(0.001);
    let used = sent.max(received) / most;
    let is_harmful = rtt_ms >= limits.rtt && used >= limits.used;
    let severity = if is_harmful { Severity::Warning } else { Severity::Info };
    let rule_match = RuleMatch::new(severity, Confidence::High, rtt_ms)
        .with(Measure::new("rtt", rtt_us, "us").over(limits.rtt * 1e3))
        .with(Measure::new("most_possible", most, "B/s"))
        .with(Measure::new("used_share", used, "share").over(limits.used))
        .with(Measure::new("rate", evidence.rate(), "B/s"));
    Some(match input.context.settings.number("tcp_window_scaling") {
        Some(0) => rule_match.with_word("off", ""),
        Some(_) => rule_match.with_word("on", ""),
        None => rule_match,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn severity_depends_on_the_round_trip() {
        let without = crate::diagnosis::Evidence { options: 3, rtt_us: Some(50_000), ..healthy() };
        assert_eq!(judged(&RULE, without).unwrap().severity, Severity::Warning);
        let near = crate::diagnosis::Evidence { rtt_us: Some(200), ..without };
        assert_eq!(judged(&RULE, near).unwrap().severity, Severity::Info);
        let little = crate::diagnosis::Evidence { bytes_acked: 200_000, ..without };
        assert_eq!(judged(&RULE, little).unwrap().severity, Severity::Info, "it needs no more");
        let small = crate::diagnosis::Evidence { bytes_acked: 100, bytes_received: 100, ..without };
        assert_eq!(judged(&RULE, small), None);
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
