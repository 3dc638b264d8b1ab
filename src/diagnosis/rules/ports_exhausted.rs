//! TD306: local ports to one remote end are running out.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleScope, ServiceInput, Severity};

limits! {
    share: 0.8, "share", "share of the range";
    critical: 0.95, "share", "share from which it is critical";
}

/// The widest range to recommend: common services listen below it.
const WIDEST: [i64; 2] = [16_384, 65_535];

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD306",
    name: "ports-exhausted",
    title: "local ports to one remote end are running out",
    scope: RuleScope::Service,
    meaning: "Nearly all local ports of net.ipv4.ip_local_port_range are in use to one remote address and port, TIME-WAIT included. When none is left, connect() fails with EADDRNOTAVAIL.",
    evidence: "connections and TIME-WAIT sockets to the busiest remote end against the size of the range",
    guards: "Ports in use to other remote ends do not count: the same port can serve several.",
    seen_from: "the client",
    other_side: "Nothing; the server sees many connections from one address.",
    advice: &[
        Advice::with_command(
            "Widen the range, net.ipv4.ip_local_port_range = {net.ipv4.ip_local_port_range}. Ports of services in it are kept free by net.ipv4.ip_local_reserved_ports.",
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
    let [first, last] =
        <[i64; 2]>::try_from(input.context.settings.numbers("ip_local_port_range")?).ok()?;
    let range = (last - first + 1).max(1) as f64;
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
    if waiting > 0 && input.context.settings.number("tcp_tw_reuse") != Some(1) {
        rule_match = rule_match.with_word("waiting", waiting.to_string());
    }
    // Most programs listen below, and a fifth more ports at least are worth a change.
    if range * 1.2 < (WIDEST[1] - WIDEST[0] + 1) as f64 {
        rule_match = rule_match.with_word("range", format!("{} {}", WIDEST[0], WIDEST[1]));
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
    fn compares_with_the_configured_range() {
        let context = context();
        let of = |used| Group {
            ports: Some((ScopedAddress::of("192.0.2.1".parse().unwrap(), 0), used)),
            ..Group::default()
        };
        assert_eq!(service(&RULE, &of(64_000), &context).unwrap().severity, Severity::Critical);
        assert_eq!(service(&RULE, &of(5_000), &context), None);
        assert_eq!(service(&RULE, &Group::default(), &context), None);
    }
}
