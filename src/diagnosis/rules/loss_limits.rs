//! TD307: loss limits the throughput.

use super::loss::megabits;
use crate::counters::is_above;
use crate::diagnosis::carrying::{Control, Held, agrees, losses_per_recovery};
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleScope, ServiceInput, Severity};

limits! {
    least: 7.0, "segments", "least number of repaired losses";
    share: 0.0002, "share", "share of the segments that were lost, below which loss is not the limit";
    fast: 125e6, "B/s", "rate of a connection from which it is only information";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD307",
    name: "loss-limits",
    title: "loss limits the throughput",
    scope: RuleScope::Service,
    meaning: "The connections of this service, or those to one of its peers, have more to send than their congestion windows let out, and together they lose segments on a path whose queue is not full. Each of them lost too little to tell; together they show that their rate is what the congestion control carries at this loss and round trip. The loss need not be large: 0.1 % on a path of 100 ms holds a connection to 4.5 Mbit/s.",
    evidence: "repaired losses and data_segs_out of the connections whose congestion windows were used up, summed over the service and over each peer; their mean round trip and segment size; the rate of one connection while data was queued against the rate that the congestion control carries",
    guards: "Counts only connections that nothing but their congestion windows held back, whose round trips do not grow, and whose losses do not always come at the same window, as those of a queue that they fill. The rate has to be what the model says, and the loss has to be above the limit beyond chance. Segments that are lost together count once. bbr is not limited by losses of less than 15 %. If single connections were found to lose segments, that is the finding.",
    seen_from: "the sender",
    other_side: "On the peers rcv_ooopack grows.",
    advice: &[
        Advice::with_command(
            "See which peers it affects, to find the hop that loses segments.",
            "tcpdiag services --by remote --duration 10s",
        ),
        Advice::with_command(
            "bbr does not slow down at single losses. Congestion control on this host is {net.ipv4.tcp_congestion_control}. The setting is for connections that are opened after it.",
            "sysctl -w net.ipv4.tcp_congestion_control=bbr",
        )
        .only_with("bbr"),
    ],
    references: &[
        "RFC 9438 5.1",
        "Mathis, Semke, Mahdavi, Ott: The macroscopic behavior of the TCP congestion avoidance algorithm (1997)",
    ],
    explained_by: &["TD103", "TD110", "TD112", "TD113", "TD115", "TD120", "TD122", "TD141"],
    limits: Limits::LIST,
    placeholders: &["bbr"],
    judge: Judge::Service(|input, limits| judge(input, &limits.loss_limits)),
};

fn judge(input: &ServiceInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let group = input.group;
    if let Some(found) = limited(input, limits, &group.sum.held) {
        return Some(found);
    }
    let peers = group.peers.iter().filter_map(|(address, peer)| {
        let found = limited(input, limits, &peer.held)?;
        Some(RuleMatch { about: Some(format!("peer {address}")), ..found })
    });
    peers.max_by(|one, other| one.effect.total_cmp(&other.effect))
}

fn limited(input: &ServiceInput<'_>, limits: &Limits, held: &Held) -> Option<RuleMatch> {
    if (held.repaired as f64) < limits.least
        || held.busy_us == 0
        || !is_above(held.repaired, held.data_segs_out, limits.share)
    {
        return None;
    }
    let mean = |sum: u64| sum as f64 / held.connections.max(1) as f64;
    let lost = held.repaired as f64 / held.data_segs_out.max(1) as f64;
    let events = lost / losses_per_recovery(input.context);
    let rate = held.bytes_acked as f64 * 1e6 / held.busy_us as f64;
    let (rtt, control) = (mean(held.rtt_us), held.control());
    let carries = control.carries(mean(held.mss), rtt, events)?;
    if !agrees(rate, carries) {
        return None;
    }
    let severity = if rate < limits.fast { Severity::Warning } else { Severity::Info };
    let mut found = RuleMatch::new(severity, Confidence::Medium, lost)
        .with(Measure::new("lost_share", lost, "share").over(limits.share))
        .with(Measure::new("repaired", held.repaired as f64, "segments"))
        .with(Measure::new("data_segs_out", held.data_segs_out as f64, "segments"))
        .with(Measure::new("connections", held.connections as f64, "connections"))
        .with(Measure::new("mean_rtt", rtt, "us"))
        .with(Measure::new("busy_rate", rate, "B/s"))
        .with(Measure::new("carried_rate", carries, "B/s"));
    found.cause = Some(format!(
        "{} connections had more to send than their congestion windows let out. At the loss and the round trip that they share {} carries about {} on each; they reached {}. Loss limits their rate.",
        held.connections,
        control.name(),
        megabits(carries),
        megabits(rate),
    ));
    if control != Control::Bbr && input.context.can_switch_to_bbr() {
        found = found.with_word("bbr", "");
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::groups::{Group, Peer};
    use crate::diagnosis::testing::{context, service};
    use crate::model::ScopedAddress;

    /// Ten connections of 9 s at 0.4 % over 40 ms.
    fn held() -> Held {
        Held {
            connections: 10,
            data_segs_out: 44_000,
            repaired: 176,
            bytes_acked: 63_000_000,
            busy_us: 90_000_000,
            rtt_us: 400_000,
            mss: 14_480,
            with: [0, 0],
        }
    }

    fn found(held: Held) -> Option<RuleMatch> {
        let group = Group { sum: Peer { held, ..Peer::default() }, ..Group::default() };
        service(&RULE, &group, &context())
    }

    #[test]
    fn the_sum_of_connections() {
        let lossy = found(held()).unwrap();
        assert_eq!(lossy.severity, Severity::Warning);
        assert!(lossy.cause.unwrap().contains("reno carries about 5.6"));
        assert_eq!(found(Held { with: [0, 10], ..held() }), None, "bbr");
        assert_eq!(found(Held { repaired: 6, data_segs_out: 1_500, ..held() }), None, "few");
        assert_eq!(found(Held { bytes_acked: 630_000_000, ..held() }), None, "faster than that");
        // A queue that they fill lets through more than the model says, or slow start has just ended.
        assert_eq!(found(Held { bytes_acked: 115_000_000, ..held() }), None, "1.8 times the model");
        assert!(found(Held { bytes_acked: 100_000_000, ..held() }).is_some(), "1.6 times");
        assert!(found(Held { repaired: 7, data_segs_out: 1_750, ..held() }).is_some(), "enough");
        assert_eq!(found(Held::default()), None);
    }

    #[test]
    fn one_peer_among_others() {
        // The others lose nothing and are much faster, so that the sum is no model of either.
        let others = Held { repaired: 0, bytes_acked: 900_000_000, ..held() };
        let mut group = Group::default();
        for (address, held) in [("10.0.0.1", others), ("10.0.0.2", held())] {
            let peer = Peer { held, ..Peer::default() };
            group.sum.add(&peer);
            group.peers.insert(ScopedAddress::of(address.parse().unwrap(), 0), peer);
        }
        let found = service(&RULE, &group, &context()).unwrap();
        assert_eq!(found.about.as_deref(), Some("peer 10.0.0.2"));
    }
}
