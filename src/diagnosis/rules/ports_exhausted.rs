//! TD306: local ports to one remote end are running out.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleScope, ServiceInput, Severity};

limits! {
    share: 0.8, "share", "share of the range";
    critical: 0.95, "share", "share from which it is critical";
}

/// The widest range to recommend: common services listen below it.
const WIDEST: [u16; 2] = [16_384, 65_535];

/// A wider range that has no ports of services beside those that the present one has: `listening` are
/// the ports of this host's listeners. `None` if it would not have a fifth more ports.
fn wider([first, last]: [u16; 2], listening: &[u16]) -> Option<[u16; 2]> {
    let below = listening.iter().filter(|&&port| port < first).max();
    let above = listening.iter().filter(|&&port| port > last).min();
    let from = below.map_or(WIDEST[0], |port| WIDEST[0].max(port.saturating_add(1))).min(first);
    let to = above.map_or(WIDEST[1], |port| port.saturating_sub(1)).max(last);
    let [old, new] = [[first, last], [from, to]].map(|[from, to]| u32::from(to - from) + 1);
    (new * 5 >= old * 6).then_some([from, to])
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD306",
    name: "ports-exhausted",
    title: "local ports to one remote end are running out",
    scope: RuleScope::Service,
    meaning: "Nearly all local ports of net.ipv4.ip_local_port_range are in use to one remote address and port, TIME-WAIT included. When none is left, connect() fails with EADDRNOTAVAIL.",
    evidence: "connections and TIME-WAIT sockets from one local address to the busiest remote end, against the size of the range",
    guards: "Ports in use to other remote ends, or from other local addresses, do not count: the same port can serve several.",
    seen_from: "the client",
    other_side: "Nothing; the server sees many connections from one address.",
    advice: &[
        Advice::with_command(
            "Widen the range, net.ipv4.ip_local_port_range = {net.ipv4.ip_local_port_range}. No service of this host listens in what is added now; net.ipv4.ip_local_reserved_ports keeps ports free for others.",
            "sysctl -w net.ipv4.ip_local_port_range='{range}'",
        )
        .only_with("range"),
        Advice::new(
            "Reuse connections, or spread them over several local or remote addresses.",
        ),
        Advice::with_command(
            "Ports in TIME-WAIT ({waiting}) can be reused after a second: net.ipv4.tcp_tw_reuse = {net.ipv4.tcp_tw_reuse}.",
            "sysctl -w net.ipv4.tcp_tw_reuse=1",
        )
        .only_with("waiting"),
    ],
    references: &["RFC 6191", "__inet_hash_connect() in net/ipv4/inet_hashtables.c"],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &["waiting", "range"],
    judge: Judge::Service(|input, limits| judge(input, &limits.ports_exhausted)),
};

fn judge(input: &ServiceInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let (remote, used) = input.group.ports?;
    let settings = &input.context.settings;
    let [first, last] = <[i64; 2]>::try_from(settings.numbers("ip_local_port_range")?).ok()?;
    let (first, last) = (u16::try_from(first).ok()?, u16::try_from(last).ok()?);
    let range = f64::from(last.checked_sub(first)?) + 1.0;
    let share = used as f64 / range;
    if share < limits.share {
        return None;
    }
    let critical = share >= limits.critical;
    let severity = if critical { Severity::Critical } else { Severity::Warning };
    let mut rule_match = RuleMatch::new(severity, Confidence::High, share)
        .with(Measure::new("ports_in_use", used as f64, "ports").over(range * limits.share))
        .with(Measure::new("ports", range, "ports"))
        .with(Measure::new("time_wait", input.group.ports_waiting as f64, "connections"));
    let waiting = input.group.ports_waiting;
    // Without timestamps nothing in TIME-WAIT is reused (tcp_twsk_unique()).
    let is_reused = settings.number("tcp_tw_reuse") == Some(1);
    if waiting > 0 && !is_reused && settings.number("tcp_timestamps") != Some(0) {
        rule_match = rule_match.with_word("waiting", waiting.to_string());
    }
    let listening = input.context.host.listening_ports.as_deref();
    if let Some([from, to]) = listening.and_then(|ports| wider([first, last], ports)) {
        rule_match = rule_match.with_word("range", format!("{from} {to}"));
    }
    rule_match.about = Some(format!("towards {remote}"));
    Some(rule_match)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::groups::Group;
    use crate::diagnosis::testing::{context, service};
    use crate::model::ScopedAddress;

    #[test]
    fn a_wider_range_has_no_ports_of_services() {
        let usual = [32_768, 60_999];
        assert_eq!(wider(usual, &[22, 80, 8_080]), Some([16_384, 65_535]));
        assert_eq!(wider(usual, &[80, 27_017, 61_616]), Some([27_018, 61_615]));
        // One in the range already is no obstacle, and little more is not worth a change.
        assert_eq!(wider(usual, &[40_000]), Some([16_384, 65_535]));
        assert_eq!(wider(usual, &[32_000, 61_000]), None);
        assert_eq!(wider([1_024, 65_535], &[80]), None);
    }

    #[test]
    fn compares_with_the_configured_range() {
        let context = context();
        let of = |used| Group {
            ports: Some((ScopedAddress::of("192.0.2.1".parse().unwrap(), 0), used)),
            ..Group::default()
        };
        assert_eq!(service(&RULE, &of(64_000), &context).unwrap().severity, Severity::Critical);
        assert_eq!(service(&RULE, &of(5_000), &context), None);
        let offers = |timestamps, waiting| {
            let values = [
                ("ip_local_port_range", "32768 60999"),
                ("tcp_tw_reuse", "2"),
                ("tcp_timestamps", timestamps),
            ];
            let mut context = crate::diagnosis::testing::context();
            context.settings = crate::settings::Values::of(&values);
            context.host.listening_ports = Some(vec![22, 8_080]);
            let group = Group { ports_waiting: waiting, ..of(28_000) };
            let words = service(&RULE, &group, &context).unwrap().words;
            ["range", "waiting"].map(|name| words.iter().any(|(word, _)| *word == name))
        };
        assert_eq!(offers("1", 20_000), [true, true]);
        assert_eq!(offers("1", 0), [true, false], "nothing waits");
        assert_eq!(offers("0", 20_000), [true, false], "nothing can be reused");
        assert_eq!(service(&RULE, &Group::default(), &context), None);
    }
}
