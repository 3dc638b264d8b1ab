//! TD114: unnecessary retransmits.

use crate::diagnosis::carrying::is_limited_elsewhere;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::{limits, warn_above};
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};

limits! {
    share: warn_above("spurious_retransmits"), "share", "share of the retransmits that were unnecessary";
    least: 5.0, "segments", "least number of unnecessary retransmits";
    rare: 0.001, "share", "share of the segments sent, below which they cost nothing";
    harmful: 0.01, "share", "share of the segments sent, from which they are more than information";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD114",
    name: "received-twice",
    title: "unnecessary retransmits",
    scope: RuleScope::Connection,
    meaning: "The peer reports that it received segments twice (DSACK). The segments were not lost: they, or their acknowledgements, were late. Each unnecessary repair reduces the window, until the kernel finds out and undoes it.",
    evidence: "growth of dsack_dups against total_retrans",
    guards: "If a part of the duplicates cannot be due to a retransmit, the path made them (TD116). Fewer of the segments sent than the limit rare cost nothing, fewer than the limit harmful little; and where the peer's window or the send buffer limits the connection, a smaller congestion window costs nothing: that is information. If the same connection shows reordering, that is the cause and TD115 is reported.",
    seen_from: "the sender",
    other_side: "On the receiver sk_drops and DelayedACKLost grow with every duplicate segment.",
    advice: &[
        Advice::new(
            "Sudden delays (a radio link, a virtual machine that is not scheduled, a queue that fills at once) make the timer fire too early: see rttvar. Lost acknowledgements have the same effect.",
        ),
        Advice::with_command(
            "Settings by which the kernel undoes unnecessary reductions of the window are off: switch them on.",
            "sysctl -w {undo}",
        )
        .only_with("undo"),
    ],
    references: &["RFC 2883", "RFC 3708", "RFC 5682", "tcp_check_dsack() in net/ipv4/tcp_input.c"],
    explained_by: &["TD115"],
    limits: Limits::LIST,
    placeholders: &["undo"],
    judge: Judge::Connection(|input, limits| judge(input, &limits.spurious)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let doubles = evidence.dsack_dups? as f64;
    let retrans = evidence.retrans as f64;
    if evidence.is_copied_on_path() {
        return None;
    }
    let share = doubles / retrans.max(doubles).max(1.0);
    let rare = doubles < limits.rare * evidence.data_segs_out as f64;
    if doubles < limits.least || share < limits.share || rare {
        return None;
    }
    let harms = doubles >= limits.harmful * evidence.data_segs_out as f64
        && !is_limited_elsewhere(evidence);
    let severity = if harms { Severity::Warning } else { Severity::Info };
    let rule_match = RuleMatch::new(severity, Confidence::High, doubles)
        .with(Measure::new("dsack_dups", doubles, "segments").over(limits.least))
        .with(Measure::new("spurious_share", share, "share").over(limits.share))
        .with_known(evidence.rttvar_us.map(|us| Measure::new("rttvar", us as f64, "us")));
    let undo = input.context.switch_on(&[("tcp_frto", 2), ("tcp_dsack", 1), ("tcp_timestamps", 1)]);
    Some(match undo {
        Some(undo) => rule_match.with_word("undo", undo),
        None => rule_match,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Evidence;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn segments_that_the_peer_had_already() {
        let doubles =
            |doubles, retrans| Evidence { dsack_dups: Some(doubles), retrans, ..healthy() };
        // Of 7,000 segments.
        assert_eq!(judged(&RULE, doubles(30, 40)).unwrap().severity, Severity::Info);
        assert_eq!(judged(&RULE, doubles(80, 90)).unwrap().severity, Severity::Warning);
        let limited = Evidence { rwnd_limited_us: Some(8_000_000), ..doubles(80, 90) };
        assert_eq!(judged(&RULE, limited).unwrap().severity, Severity::Info);
        // Some came while nothing was retransmitted, or cannot be due to a retransmit: the path copies.
        assert_eq!(judged(&RULE, Evidence { lone_dsack_dups: 16, ..doubles(80, 90) }), None);
        assert!(judged(&RULE, Evidence { lone_dsack_dups: 3, ..doubles(80, 90) }).is_some());
        assert_eq!(judged(&RULE, doubles(345, 280)), None);
        assert_eq!(judged(&RULE, doubles(345, 340)), None);
        assert!(judged(&RULE, doubles(345, 343)).is_some(), "of retransmits before the first poll");
        let mut context = crate::diagnosis::testing::context();
        for (values, undo) in [
            ([("tcp_frto", "2"), ("tcp_dsack", "1"), ("tcp_timestamps", "1")], None),
            (
                [("tcp_frto", "0"), ("tcp_dsack", "1"), ("tcp_timestamps", "0")],
                Some("net.ipv4.tcp_frto=2 net.ipv4.tcp_timestamps=1"),
            ),
        ] {
            context.settings = crate::settings::Values::of(&values);
            let found = crate::diagnosis::testing::judged_in(&RULE, doubles(30, 40), &context);
            let words = found.unwrap().words;
            assert_eq!(words.first().map(|(_, word)| word.as_str()), undo);
        }
        // One in a thousand.
        assert_eq!(judged(&RULE, doubles(6, 7)), None);
        assert!(judged(&RULE, doubles(7, 7)).is_some());
        assert_eq!(judged(&RULE, doubles(3, 3)), None);
        assert_eq!(judged(&RULE, doubles(6, 100)), None);
        assert_eq!(judged(&RULE, doubles(30, 0)), None, "nothing was retransmitted");
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
