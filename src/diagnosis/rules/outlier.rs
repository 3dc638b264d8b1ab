//! TD301: one peer loses far more than the others.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleScope, ServiceInput, Severity,
};
use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::diagnosis::groups::Peer;

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD301",
    name: "outlier",
    title: "one peer loses far more than the others",
    scope: RuleScope::Service,
    meaning: "Of the hosts, or networks, that this service talks to, one has most of the retransmits with a small part of the traffic: the trouble is on the way to it, not here.",
    evidence: "total_retrans and data_segs_out by remote address, and by network (/24, /64)",
    guards: "There have to be at least three peers with traffic to compare, and enough retransmits that it is no chance.",
    seen_from: "the sender",
    other_side: "On that peer, the same connections from its side.",
    advice: &[Advice::by(
        "Look at that peer's connections alone.",
        "tcpdiag conns --remote-ip {peer} --sort -total_retrans --limit 10",
    )],
    references: &["RFC 6298"],
    explained_by: &[],
    limits: &[
        Limit::new("least", 20.0, "segments", "retransmitted to it at least"),
        Limit::new("share", 0.6, "share", "of the service's retransmits"),
        Limit::new("times", 4.0, "times", "the rate of the others"),
    ],
    offers: &["peer"],
    judge: Judge::Service(judge),
};

/// Places in the list of limits.
const LEAST: usize = 0;
const SHARE: usize = 1;
const TIMES: usize = 2;

fn judge(case: &ServiceInput<'_>) -> Option<RuleMatch> {
    let group = case.group;
    let alone = group.peers.iter().map(|(address, peer)| (address.to_string(), *peer)).collect();
    outlier(case, alone).or_else(|| {
        let mut networks: BTreeMap<String, Peer> = BTreeMap::new();
        for (address, peer) in &group.peers {
            networks.entry(network(*address)).or_default().add(*peer);
        }
        outlier(case, networks)
    })
}

fn outlier(case: &ServiceInput<'_>, peers: BTreeMap<String, Peer>) -> Option<RuleMatch> {
    let sum = case.group.sum;
    let busy = peers.values().filter(|peer| peer.data_segs_out > 0).count();
    let (name, worst) = peers.iter().max_by_key(|(_, peer)| peer.retrans)?;
    let rest = Peer {
        connections: 0,
        data_segs_out: sum.data_segs_out.saturating_sub(worst.data_segs_out),
        retrans: sum.retrans.saturating_sub(worst.retrans),
    };
    let share = worst.retrans as f64 / (sum.retrans as f64).max(1.0);
    let stands_out = worst.share() >= rest.share() * case.limit(TIMES) && worst.share() >= 0.01;
    if busy < 3
        || (worst.retrans as f64) < case.limit(LEAST)
        || share < case.limit(SHARE)
        || rest.data_segs_out < 100
        || !stands_out
    {
        return None;
    }
    let mut rule_match = RuleMatch::new(Severity::Warning, Confidence::High, share)
        .with(Measure::new("retrans_of_service", share, "share").over(case.limit(SHARE)))
        .with(Measure::new("retrans_share", worst.share(), "share"))
        .with(Measure::new("retrans_share_of_others", rest.share(), "share"))
        .saying("peer", name.clone());
    rule_match.about = Some(format!("peer {name}"));
    Some(rule_match)
}

/// The network of an address that peers of one place have in common.
fn network(address: IpAddr) -> String {
    let length = if address.is_ipv4() { 24 } else { 64 };
    ipnet::IpNet::new(address, length)
        .map_or_else(|_| address.to_string(), |net| net.trunc().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::groups::Group;
    use crate::diagnosis::testing::{context, service};

    fn group(retrans: [u64; 5]) -> Group {
        let mut group = Group::default();
        for (last, retrans) in retrans.into_iter().enumerate() {
            let peer = Peer { connections: 4, data_segs_out: 1_000, retrans };
            let third = if last < 2 { 9 } else { last };
            group.peers.insert(format!("10.0.{third}.{last}").parse().unwrap(), peer);
            group.sum.add(peer);
        }
        group
    }

    #[test]
    fn one_of_them_or_its_network() {
        let context = context();
        let found = service(&RULE, &group([0, 1, 90, 0, 2]), &context).unwrap();
        assert_eq!(found.words, [("peer", "10.0.2.2".to_owned())]);
        let found = service(&RULE, &group([60, 60, 1, 0, 1]), &context).unwrap();
        assert_eq!(found.words, [("peer", "10.0.9.0/24".to_owned())]);
        assert_eq!(service(&RULE, &group([50, 60, 55, 40, 45]), &context), None);
        assert_eq!(service(&RULE, &group([0, 0, 9, 0, 0]), &context), None);
    }
}
