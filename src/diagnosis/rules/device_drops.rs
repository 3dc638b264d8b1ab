//! TD406: a network device drops packets.

use crate::counters::{Device, is_above};
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, HostInput, Judge, Rule, RuleScope, Severity};

limits! {
    share: 0.001, "share", "share of the packets";
    least: 10.0, "packets", "least number of packets";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD406",
    name: "device-drops",
    title: "a network device drops packets",
    scope: RuleScope::Host,
    meaning: "A network device dropped packets or received broken ones. Either no buffer was free (the ring is too small, or the host too slow), or the cable, the optics or the duplex setting is bad. To TCP this is loss.",
    evidence: "/proc/net/dev: growth of drops and errors against packets",
    guards: "Devices also count packets of unknown protocols as dropped, so a small share is ignored. Virtual devices of this namespace are judged like others.",
    seen_from: "the side that drops",
    other_side: "The other side sees loss, or segments out of order.",
    advice: &[
        Advice::with_command(
            "See which counter of the device grows.",
            "ip -s -s link show dev {device}",
        ),
        Advice::with_command(
            "If buffers were missing for what arrived, see whether the ring can be larger.",
            "ethtool -g {device}",
        )
        .only_with("received"),
        Advice::with_command(
            "See which queue drops what is sent.",
            "tc -s qdisc show dev {device}",
        )
        .only_with("sent"),
    ],
    references: &["dev_seq_printf_stats() in net/core/net-procfs.c"],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &["device", "received", "sent"],
    judge: Judge::Host(|input, limits| judge(input, &limits.device_drops)),
};

fn judge(input: &HostInput<'_>, limits: &Limits) -> Vec<RuleMatch> {
    let mut rule_matches = Vec::new();
    for (before, now) in input.context.host.devices() {
        let grown = |of: fn(&Device) -> u64| of(now).saturating_sub(of(before)) as f64;
        let received = grown(|device| device.received);
        let sent = grown(|device| device.sent);
        let bad = grown(|device| device.receive_drops + device.receive_errors);
        let unsent = grown(|device| device.send_drops);
        let share = (bad / (received + bad).max(1.0)).max(unsent / (sent + unsent).max(1.0));
        // The share has to be above the limit beyond chance.
        let is_above =
            |part: f64, rest: f64| is_above(part as u64, (part + rest) as u64, limits.share);
        let (is_receive, is_send) = (is_above(bad, received), is_above(unsent, sent));
        if bad + unsent < limits.least || !is_receive && !is_send {
            continue;
        }
        let mut rule_match = RuleMatch::new(Severity::Warning, Confidence::Medium, share)
            .with(Measure::new("device_drop_share", share, "share").over(limits.share))
            .with(Measure::new("rx_dropped_or_broken", bad, "packets"))
            .with(Measure::new("tx_dropped", unsent, "packets"))
            .with_word("device", now.name.clone());
        for word in [is_receive.then_some("received"), is_send.then_some("sent")] {
            rule_match.words.extend(word.map(|word| (word, String::new())));
        }
        rule_match.about = Some(format!("device {}", now.name));
        rule_matches.push(rule_match);
    }
    rule_matches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::{CounterWidth, parse_devices};
    use crate::diagnosis::HostHistory;
    use crate::diagnosis::testing::{context, of_host};
    use crate::monitor::HostReading;

    #[test]
    fn drops_are_judged_by_share() {
        let mut context = context();
        // Of 10,000: 14 are within chance of the limit.
        for (dropped, found) in [(0, 0), (5, 0), (14, 0), (500, 1)] {
            context.host = HostHistory::new(CounterWidth::Bits64);
            for (packets, dropped) in [(100, 0), (10_100, dropped)] {
                let text =
                    format!("eth0: 1 {packets} 0 {dropped} 0 0 0 0 1 {packets} 0 0 0 0 0 0\n");
                let devices = parse_devices(&text);
                context.host.read(HostReading { devices, ..HostReading::default() }, 1_000);
            }
            let matches = of_host(&RULE, &context);
            assert_eq!(matches.len(), found, "{dropped}");
            let words = matches.iter().flat_map(|it| &it.words).map(|(name, _)| *name);
            let has = |word| words.clone().any(|it| it == word);
            assert_eq!((has("received"), has("sent")), (found == 1, false));
        }
    }
}
