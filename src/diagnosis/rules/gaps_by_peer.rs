//! TD310: data received by many connections has gaps.

use crate::counters::is_above;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::groups::Peer;
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleScope, ServiceInput, Severity};

limits! {
    share: 0.02, "share", "share of the received segments with data that arrived after a gap";
    least: 10.0, "segments", "least number of segments after a gap";
    missing: 0.01, "share", "share of the segments that were missing, from which it is more than information";
    peer: 0.04, "share", "the same share for a single peer of many";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD310",
    name: "gaps-in-sum",
    title: "data received by many connections has gaps",
    scope: RuleScope::Service,
    meaning: "The connections of this service, or those to one of its peers, together receive many segments while an earlier one is missing, but none of them often enough to be a finding of its own: on the way here segments are lost, or overtake each other.",
    evidence: "rcv_ooopack against data_segs_in, summed over the connections of a service and over each peer, ended ones included",
    guards: "The share has to be above the limit beyond chance. Where fewer segments are missing than the limit says, it is information, as for TD117. If single connections were found to have gaps, that is the finding. The receiver cannot tell loss from reordering: the sender can. Nor can it tell whether fewer limit the rate: a sender that fills its path alone loses as many as the model of its congestion control says, like one that loss holds back. On the sender, TD307 judges loss by what it costs.",
    seen_from: "the receiver",
    other_side: "On the senders: TD110 or TD302 if segments are lost, TD115 if they are reordered.",
    advice: &[
        Advice::with_command(
            "See whether it affects one peer or all peers. If it affects all, look at this host's own link, queues and processors first.",
            "tcpdiag services --by remote --duration 10s",
        ),
        Advice::with_command("See whether this host drops what arrives.", "ip -s -s link show"),
    ],
    references: &["tcp_data_queue_ofo() in net/ipv4/tcp_input.c", "RFC 9293 3.10.7.4"],
    explained_by: &["TD117"],
    limits: Limits::LIST,
    placeholders: &[],
    judge: Judge::Service(|input, limits| judge(input, &limits.gaps_by_peer)),
};

fn judge(input: &ServiceInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let group = input.group;
    if let Some(found) = gaps(&group.sum, limits, limits.share) {
        return Some(found);
    }
    let peers = group.peers.iter().filter_map(|(address, peer)| {
        let found = gaps(peer, limits, limits.peer)?;
        Some(RuleMatch { about: Some(format!("peer {address}")), ..found })
    });
    peers.max_by(|one, other| one.effect.total_cmp(&other.effect))
}

fn gaps(peer: &Peer, limits: &Limits, share: f64) -> Option<RuleMatch> {
    let (late, all) = (peer.out_of_order, peer.data_segs_in);
    if (late as f64) < limits.least || !is_above(late, all, share) {
        return None;
    }
    let found = late as f64 / all.max(1) as f64;
    let missing = peer.missing as f64 / 1e3 / all.max(1) as f64;
    let severity = if missing < limits.missing { Severity::Info } else { Severity::Warning };
    Some(
        RuleMatch::new(severity, Confidence::High, found)
            .with(Measure::new("missing_share", missing, "share").over(limits.missing))
            .with(Measure::new("out_of_order_share", found, "share").over(share))
            .with(Measure::new("rcv_ooopack", late as f64, "segments"))
            .with(Measure::new("data_segs_in", all as f64, "segments"))
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
    fn the_sum_and_one_peer() {
        let peer = |out_of_order, data_segs_in| Peer {
            connections: 50,
            out_of_order,
            data_segs_in,
            missing: 300 * out_of_order,
            ..Peer::default()
        };
        let context = context();
        let sum = |sum| service(&RULE, &Group { sum, ..Group::default() }, &context);
        let found = sum(peer(60, 1_000)).unwrap();
        assert_eq!((found.severity, found.about), (Severity::Warning, None));
        let few = Peer { missing: 5_000, ..peer(60, 1_000) };
        assert_eq!(sum(few).unwrap().severity, Severity::Info);
        assert_eq!(sum(peer(20, 1_000)), None, "within chance of 2 %");
        assert_eq!(sum(peer(9, 10)), None, "few");
        let mut group = Group { sum: peer(80, 10_000), ..Group::default() };
        for (address, peer) in [("10.0.0.1", peer(0, 9_000)), ("10.0.0.2", peer(80, 1_000))] {
            group.peers.insert(ScopedAddress::of(address.parse().unwrap(), 0), peer);
        }
        let found = service(&RULE, &group, &context).unwrap();
        assert_eq!(found.about.as_deref(), Some("peer 10.0.0.2"));
    }
}
