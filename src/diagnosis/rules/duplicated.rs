//! TD116: packets duplicated on the path.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};

limits! {
    least: 5.0, "segments", "least number of duplicates";
    share: 0.001, "share", "duplicates as a share of the segments sent";
    harmful: 0.01, "share", "duplicates as a share of the segments sent, from which it is a warning";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD116",
    name: "duplicated-path",
    title: "packets duplicated on the path",
    scope: RuleScope::Connection,
    meaning: "The peer reports more segments that it received twice than this side has retransmitted: a device on the path sends packets twice. The copies cost bandwidth. Linux may take them for the trace of an unnecessary retransmit.",
    evidence: "growth of dsack_dups beyond that of total_retrans, or while nothing was retransmitted, against data_segs_out",
    guards: "A few copies (below limit harmful) cost next to nothing: that is information. Retransmits of segments that had arrived are reported in the same way (TD114): only duplicates that cannot be due to one count. Duplicated acknowledgements carry no DSACK and are not seen.",
    seen_from: "the sender",
    other_side: "On the receiver TCPDSACKOldSent grows.",
    advice: &[Advice::new(
        "Look for what copies packets: a layer 2 loop, two mirrors of one port, a bond in broadcast mode, a router on a stick, two paths of a redundant network. A capture at both ends shows the same IP identification twice at the receiver only.",
    )],
    references: &["RFC 2883", "tcp_check_dsack() in net/ipv4/tcp_input.c"],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &[],
    judge: Judge::Connection(|input, limits| judge(input, &limits.duplicated)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    let doubles = evidence.dsack_dups? as f64;
    let retrans = evidence.retrans as f64;
    let copied = evidence.copied() as f64;
    let share = copied / (evidence.data_segs_out as f64).max(1.0);
    if copied < limits.least || !evidence.is_copied_on_path() || share < limits.share {
        return None;
    }
    let severity = if share >= limits.harmful { Severity::Warning } else { Severity::Info };
    Some(
        RuleMatch::new(severity, Confidence::High, share)
            .with(Measure::new("dsack_dups", doubles, "segments"))
            .with(Measure::new("copied", copied, "segments").over(limits.least))
            .with(Measure::new("total_retrans", retrans, "segments"))
            .with(Measure::new("duplicated_share", share, "share").over(limits.share)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged};

    #[test]
    fn more_duplicates_than_retransmits() {
        let doubles = |doubles, retrans| crate::diagnosis::Evidence {
            dsack_dups: Some(doubles),
            retrans,
            ..healthy()
        };
        // Of 7,000 segments.
        assert_eq!(judged(&RULE, doubles(40, 0)).unwrap().severity, Severity::Info);
        assert_eq!(judged(&RULE, doubles(80, 0)).unwrap().severity, Severity::Warning);
        assert!(judged(&RULE, doubles(40, 10)).is_some());
        assert_eq!(judged(&RULE, doubles(40, 40)), None);
        // Half of them came while nothing was retransmitted.
        let lone = |doubles, retrans| crate::diagnosis::Evidence {
            dsack_dups: Some(doubles),
            lone_dsack_dups: doubles / 2,
            retrans,
            ..healthy()
        };
        assert!(judged(&RULE, lone(40, 40)).is_some());
        let late = crate::diagnosis::Evidence { largest_rtt_us: 600_000, ..lone(40, 40) };
        assert_eq!(judged(&RULE, late), None, "reports of a retransmit may be as late");
        assert_eq!(judged(&RULE, doubles(3, 0)), None);
        assert_eq!(judged(&RULE, healthy()), None);
    }
}
