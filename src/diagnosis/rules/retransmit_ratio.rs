//! TD302: many retransmits.

use crate::counters::is_above;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::groups::Peer;
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleScope, ServiceInput, Severity};

limits! {
    share: 0.02, "share", "share of the segments that were retransmitted";
    critical: 0.1, "share", "share from which it is critical";
    least: 5.0, "segments", "least number of retransmitted segments";
    peer: 0.04, "share", "share of the segments that were retransmitted to a single peer of many";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD302",
    name: "retransmit-ratio",
    title: "many retransmits",
    scope: RuleScope::Service,
    meaning: "The connections of this service together retransmit an unusual share of what they send, but none of them does so often enough to be a finding of its own: many short connections on a bad path.",
    evidence: "total_retrans against data_segs_out, summed over the connections of a service and over each of its peers, ended ones included",
    guards: "The share has to be above the limit beyond chance, whatever the number of segments. If single connections were found to lose segments, that is the finding. Old connections that send nothing new, only repeats, say nothing of a bad path: the peer is gone or does not answer (TD122, TD151, TD309).",
    seen_from: "the sender",
    other_side: "On the peers rcv_ooopack grows.",
    advice: &[Advice::with_command(
        "See the kinds of retransmits and the peers.",
        "tcpdiag services --by remote --duration 10s",
    )],
    references: &["RFC 6298"],
    explained_by: &[
        "TD103", "TD110", "TD111", "TD112", "TD113", "TD114", "TD115", "TD122", "TD130", "TD141",
        "TD150", "TD151", "TD153", "TD301", "TD307",
    ],
    limits: Limits::LIST,
    placeholders: &[],
    judge: Judge::Service(|input, limits| judge(input, &limits.retransmit_ratio)),
};

fn judge(input: &ServiceInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let group = input.group;
    if group.opened == 0 && group.sum.retrans >= group.sum.data_segs_out {
        return None;
    }
    if let Some(found) = ratio(&group.sum, limits, limits.share) {
        return Some(found);
    }
    // Of many peers, some are above the share by chance: it has to be more.
    let peers = group.peers.iter().filter_map(|(address, peer)| {
        let found = ratio(peer, limits, limits.peer)?;
        Some(RuleMatch { about: Some(format!("peer {address}")), ..found })
    });
    peers.max_by(|one, other| one.effect.total_cmp(&other.effect))
}

fn ratio(peer: &Peer, limits: &Limits, limit: f64) -> Option<RuleMatch> {
    let share = peer.share();
    let is_above = is_above(peer.retrans, peer.data_segs_out, limit);
    if !is_above || (peer.retrans as f64) < limits.least {
        return None;
    }
    let critical = share >= limits.critical;
    let severity = if critical { Severity::Critical } else { Severity::Warning };
    Some(
        RuleMatch::new(severity, Confidence::High, share)
            .with(Measure::new("retrans_share", share, "share").over(limit))
            .with(Measure::new("total_retrans", peer.retrans as f64, "segments"))
            .with(Measure::new("data_segs_out", peer.data_segs_out as f64, "segments"))
            .with(Measure::new("connections", peer.connections as f64, "connections")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::groups::Group;
    use crate::diagnosis::testing::{context, service};
    use crate::model::ScopedAddress;

    #[test]
    fn judges_the_sum_of_connections() {
        let of = |retrans| Group {
            sum: Peer { connections: 500, data_segs_out: 2_000, retrans, ..Peer::default() },
            ..Group::default()
        };
        let context = context();
        assert_eq!(service(&RULE, &of(100), &context).unwrap().severity, Severity::Warning);
        assert_eq!(service(&RULE, &of(300), &context).unwrap().severity, Severity::Critical);
        assert_eq!(service(&RULE, &of(45), &context), None, "within chance of 2 %");
        let few = Group {
            sum: Peer { connections: 6, data_segs_out: 24, retrans: 6, ..Peer::default() },
            ..Group::default()
        };
        assert!(service(&RULE, &few, &context).is_some(), "few and clear");
        assert_eq!(service(&RULE, &of(0), &context), None);
        // Five connections that wait for a peer that is gone.
        let silent = |opened| Group {
            sum: Peer { connections: 5, data_segs_out: 5, retrans: 5, ..Peer::default() },
            opened,
            ..Group::default()
        };
        assert_eq!(service(&RULE, &silent(0), &context), None);
        assert!(service(&RULE, &silent(5), &context).is_some(), "each began with losses");
    }

    #[test]
    fn one_peer_among_others() {
        let peer =
            |retrans| Peer { connections: 9, data_segs_out: 900, retrans, ..Peer::default() };
        let mut group = Group::default();
        for (address, peer) in
            [("10.0.0.1", peer(0)), ("10.0.0.2", peer(0)), ("10.0.0.3", peer(70))]
        {
            group.sum.add(&Peer { data_segs_out: 9 * peer.data_segs_out, ..peer });
            group.peers.insert(ScopedAddress::of(address.parse().unwrap(), 0), peer);
        }
        let found = service(&RULE, &group, &context()).unwrap();
        assert_eq!(found.about.as_deref(), Some("peer 10.0.0.3"));
    }
}
