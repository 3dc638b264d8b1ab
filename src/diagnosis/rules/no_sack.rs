//! TD143: no SACK or no timestamps.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};
use crate::model::State;
use crate::wire::uapi::{TCPI_OPT_SACK, TCPI_OPT_TIMESTAMPS};

limits! {
    least: 65_536.0, "bytes", "least number of bytes sent or received";
    lost: 3.0, "segments", "retransmitted segments from which a missing SACK is a warning";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD143",
    name: "no-sack",
    title: "no SACK or no timestamps",
    scope: RuleScope::Connection,
    meaning: "The connection does not use selective acknowledgements or timestamps. Without SACK only one lost segment can be repaired per round trip. Without timestamps round trips are measured less often, and old segments of fast connections cannot be distinguished from new ones.",
    evidence: "options without SACK or timestamps; retransmits",
    guards: "Only connections that carried data are reported. It is information unless segments are lost without SACK.",
    seen_from: "both sides",
    other_side: "The same option is missing there. Find the side whose SYN did not offer it.",
    advice: &[
        Advice::with_command(
            "On this host net.ipv4.tcp_sack = {net.ipv4.tcp_sack}, net.ipv4.tcp_timestamps = {net.ipv4.tcp_timestamps}: switch on what is missing. The settings are for connections that are opened after it.",
            "sysctl -w {missing}",
        )
        .only_with("missing"),
        Advice::new(
            "This host offers what is missing: look at net.ipv4.tcp_sack and net.ipv4.tcp_timestamps of the peer. If they are on there too, a middlebox removes the options.",
        )
        .only_with("offered"),
    ],
    references: &["RFC 2018", "RFC 7323 3", "tcp_parse_options() in net/ipv4/tcp_input.c"],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &["missing", "offered"],
    judge: Judge::Connection(|input, limits| judge(input, &limits.no_sack)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let carried = evidence.bytes_acked.max(evidence.bytes_received) as f64;
    let connected = matches!(evidence.state, State::Established | State::CloseWait);
    let (sack, timestamps) = (
        evidence.options & u64::from(TCPI_OPT_SACK) != 0,
        evidence.options & u64::from(TCPI_OPT_TIMESTAMPS) != 0,
    );
    if !connected || sack && timestamps || carried < limits.least {
        return None;
    }
    let is_harmful = !sack && evidence.retrans as f64 >= limits.lost;
    let severity = if is_harmful { Severity::Warning } else { Severity::Info };
    let flag = |on: bool| if on { 1.0 } else { 0.0 };
    let rule_match = RuleMatch::new(severity, Confidence::High, evidence.retrans as f64)
        .with(Measure::new("sack", flag(sack), "flag"))
        .with(Measure::new("timestamps", flag(timestamps), "flag"))
        .with(Measure::new("total_retrans", evidence.retrans as f64, "segments").over(limits.lost));
    let lacking = [(sack, ("tcp_sack", 1)), (timestamps, ("tcp_timestamps", 1))];
    let lacking = lacking.into_iter().filter(|(has, _)| !has).map(|(_, setting)| setting);
    Some(match input.context.switch_on(&lacking.collect::<Vec<_>>()) {
        Some(missing) => rule_match.with_word("missing", missing),
        None => rule_match.with_word("offered", ""),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn information_until_segments_are_lost() {
        let of = |options, retrans| crate::diagnosis::Evidence { options, retrans, ..healthy() };
        assert_eq!(judged(&RULE, of(4, 0)).unwrap().severity, Severity::Info);
        assert_eq!(judged(&RULE, of(5, 9)).unwrap().severity, Severity::Warning);
        assert_eq!(judged(&RULE, of(6, 9)).unwrap().severity, Severity::Info);
        assert_eq!(judged(&RULE, of(7, 9)), None);
        let mut context = crate::diagnosis::testing::context();
        for (sack, options, word) in [
            ("0", 5, ("missing", "net.ipv4.tcp_sack=1")),
            ("1", 5, ("offered", "")),
            // Timestamps are what the connection lacks.
            ("0", 6, ("offered", "")),
        ] {
            let settings = [("tcp_sack", sack), ("tcp_timestamps", "1")];
            context.settings = crate::settings::Values::of(&settings);
            let found = crate::diagnosis::testing::judged_in(&RULE, of(options, 9), &context);
            assert_eq!(found.unwrap().words, [(word.0, word.1.to_owned())]);
        }
    }
}
