//! TD406: a network device drops packets.

use crate::counters::Device;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, HostInput, Judge, Limit, Rule, RuleScope, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD406",
    name: "device-drops",
    title: "a network device drops packets",
    scope: RuleScope::Host,
    meaning: "A network device dropped packets or received broken ones: no buffer was free (the ring is too small, or the host too slow), or the cable, the optics or the duplex is bad. To TCP it is loss.",
    evidence: "/proc/net/dev: growth of drops and errors against packets",
    guards: "Devices also count packets of unknown protocols as dropped: below the share it is no finding. Virtual devices of this namespace are read like any other.",
    seen_from: "the side that drops",
    other_side: "The other side sees loss, or segments out of order.",
    advice: &[
        Advice::by("See which counter of the device it is.", "ip -s -s link show dev {device}"),
        Advice::by("For want of buffers the ring can be made larger.", "ethtool -g {device}"),
    ],
    references: &["dev_seq_printf_stats() in net/core/net-procfs.c"],
    explained_by: &[],
    limits: &[
        Limit::new("share", 0.001, "share", "of the packets"),
        Limit::new("least", 10.0, "packets", "at least"),
    ],
    offers: &["device"],
    judge: Judge::Host(judge),
};

/// Places in the list of limits.
const SHARE: usize = 0;
const LEAST: usize = 1;

fn judge(case: &HostInput<'_>) -> Vec<RuleMatch> {
    let mut rule_matches = Vec::new();
    for (before, now) in case.context.host.devices() {
        let grown = |of: fn(&Device) -> u64| of(now).saturating_sub(of(before)) as f64;
        let received = grown(|device| device.received);
        let sent = grown(|device| device.sent);
        let bad = grown(|device| device.receive_drops + device.receive_errors);
        let unsent = grown(|device| device.send_drops);
        let share = (bad / (received + bad).max(1.0)).max(unsent / (sent + unsent).max(1.0));
        if bad + unsent < case.limit(LEAST) || share < case.limit(SHARE) {
            continue;
        }
        let mut rule_match = RuleMatch::new(Severity::Warning, Confidence::Medium, share)
            .with(Measure::new("device_drop_share", share, "share").over(case.limit(SHARE)))
            .with(Measure::new("rx_dropped_or_broken", bad, "packets"))
            .with(Measure::new("tx_dropped", unsent, "packets"))
            .saying("device", now.name.clone());
        rule_match.about = Some(format!("device {}", now.name));
        rule_matches.push(rule_match);
    }
    rule_matches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::{CounterWidth, parse_devices};
    use crate::diagnosis::testing::{context, of_host};
    use crate::diagnosis::{HostHistory, HostReading};

    #[test]
    fn by_share() {
        let mut context = context();
        for (dropped, found) in [(0, 0), (5, 0), (500, 1)] {
            context.host = HostHistory::new(CounterWidth::Bits64);
            for (packets, dropped) in [(100, 0), (10_100, dropped)] {
                let text =
                    format!("eth0: 1 {packets} 0 {dropped} 0 0 0 0 1 {packets} 0 0 0 0 0 0\n");
                let devices = parse_devices(&text);
                context.host.read(HostReading { devices, ..HostReading::default() }, 1_000);
            }
            assert_eq!(of_host(&RULE, &context).len(), found, "{dropped}");
        }
    }
}
