//! TD301: one peer loses far more than the others.

use crate::counters::is_above;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleScope, ServiceInput, Severity};
use std::collections::BTreeMap;

use crate::diagnosis::groups::Peer;
use crate::model::ScopedAddress;

limits! {
    least: 5.0, "segments", "least number of segments retransmitted to the peer";
    share: 0.6, "share", "share of the service's retransmits";
    times: 4.0, "times", "multiple of the other peers' retransmit rate";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD301",
    name: "outlier",
    title: "one peer loses far more than the others",
    scope: RuleScope::Service,
    meaning: "One of the hosts or networks that this service communicates with has most of the retransmits and a small part of the traffic. The cause is on the path to it, not on this host.",
    evidence: "total_retrans and data_segs_out by remote address, and by network (/24, /64)",
    guards: "There have to be at least three peers with traffic to compare, and the peer's share has to be above that of the others beyond chance.",
    seen_from: "the sender",
    other_side: "On that peer, diagnose the same connections.",
    advice: &[Advice::with_command(
        "List the connections to that peer.",
        "tcpdiag conns --remote-ip {peer} --sort -total_retrans --limit 10",
    )],
    references: &["RFC 6298"],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &["peer"],
    judge: Judge::Service(|input, limits| judge(input, &limits.outlier)),
};

fn judge(input: &ServiceInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let group = input.group;
    let alone = group.peers.iter().map(|(address, peer)| (address.to_string(), *peer)).collect();
    outlier(input, limits, alone).or_else(|| {
        let mut networks: BTreeMap<String, Peer> = BTreeMap::new();
        for (address, peer) in &group.peers {
            networks.entry(network(*address)).or_default().add(peer);
        }
        outlier(input, limits, networks)
    })
}

fn outlier(
    input: &ServiceInput<'_>,
    limits: &Limits,
    peers: BTreeMap<String, Peer>,
) -> Option<RuleMatch> {
    let sum = input.group.sum;
    let busy = peers.values().filter(|peer| peer.data_segs_out > 0).count();
    let (name, worst) = peers.iter().max_by_key(|(_, peer)| peer.retrans)?;
    let rest = Peer {
        connections: 0,
        data_segs_out: sum.data_segs_out.saturating_sub(worst.data_segs_out),
        retrans: sum.retrans.saturating_sub(worst.retrans),
        ..Peer::default()
    };
    let share = worst.retrans as f64 / (sum.retrans as f64).max(1.0);
    let usual = (rest.share() * limits.times).max(0.01);
    let stands_out = is_above(worst.retrans, worst.data_segs_out, usual);
    if busy < 3
        || (worst.retrans as f64) < limits.least
        || share < limits.share
        || rest.data_segs_out < 100
        || !stands_out
    {
        return None;
    }
    let mut rule_match = RuleMatch::new(Severity::Warning, Confidence::High, share)
        .with(Measure::new("retrans_of_service", share, "share").over(limits.share))
        .with(Measure::new("retrans_share", worst.share(), "share"))
        .with(Measure::new("retrans_share_of_others", rest.share(), "share"))
        .with_word("peer", name.clone());
    rule_match.about = Some(format!("peer {name}"));
    Some(rule_match)
}

/// The network of a host: /24 or /64, on its link.
fn network(host: ScopedAddress) -> String {
    let length = if host.address().is_ipv4() { 24 } else { 64 };
    let network = ipnet::IpNet::new(host.address(), length).map(|net| net.network());
    network.map_or_else(
        |_| host.to_string(),
        |network| format!("{}/{length}", ScopedAddress::of(network, host.zone())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::groups::Group;
    use crate::diagnosis::testing::{context, service};

    fn group(retrans: [u64; 5]) -> Group {
        let mut group = Group::default();
        for (last, retrans) in retrans.into_iter().enumerate() {
            let peer = Peer { connections: 4, data_segs_out: 1_000, retrans, ..Peer::default() };
            let third = if last < 2 { 9 } else { last };
            let host = format!("10.0.{third}.{last}").parse().unwrap();
            group.peers.insert(ScopedAddress::of(host, 0), peer);
            group.sum.add(&peer);
        }
        group
    }

    #[test]
    fn the_same_link_local_address_on_two_links_is_two_peers() {
        let peer = |interface, retrans| {
            let host = ScopedAddress::of("fe80::1".parse().unwrap(), interface);
            (host, Peer { connections: 4, data_segs_out: 1_000, retrans, ..Peer::default() })
        };
        let mut group = Group::default();
        for (host, figures) in [peer(2, 0), peer(3, 200), peer(4, 1)] {
            group.peers.insert(host, figures);
            group.sum.add(&figures);
        }
        let context = context();
        let found = service(&RULE, &group, &context).unwrap();
        assert_eq!(found.words, [("peer", "fe80::1%3".to_owned())]);
        assert_eq!(network(peer(3, 0).0), "fe80::%3/64");
    }

    #[test]
    fn one_peer_or_one_network() {
        let context = context();
        let found = service(&RULE, &group([0, 1, 90, 0, 2]), &context).unwrap();
        assert_eq!(found.words, [("peer", "10.0.2.2".to_owned())]);
        let found = service(&RULE, &group([60, 60, 1, 0, 1]), &context).unwrap();
        assert_eq!(found.words, [("peer", "10.0.9.0/24".to_owned())]);
        assert_eq!(service(&RULE, &group([50, 60, 55, 40, 45]), &context), None);
        assert_eq!(service(&RULE, &group([0, 0, 9, 0, 0]), &context), None);
    }
}
