//! TD306: local ports towards one remote end running out.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::rule::{
    Advice, Confidence, Judge, Limit, Rule, RuleScope, ServiceInput, Severity,
};

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD306",
    name: "ports-exhausted",
    title: "local ports towards one remote end running out",
    scope: RuleScope::Service,
    meaning: "Nearly all local ports of net.ipv4.ip_local_port_range are in use towards one remote address and port, TIME-WAIT included. When there are none left, connect() fails with EADDRNOTAVAIL.",
    evidence: "connections and TIME-WAIT sockets towards the busiest remote end against the size of the range",
    guards: "Ports in use towards other ends do not count: the same port serves several.",
    seen_from: "the client",
    other_side: "Nothing; the server sees many connections from one address.",
    advice: &[
        Advice::by(
            "Use connections again, or spread them over several local or remote addresses. The range is net.ipv4.ip_local_port_range = {net.ipv4.ip_local_port_range}.",
            "sysctl -w net.ipv4.ip_local_port_range='1024 65535'",
        ),
        Advice::by(
            "Ports in TIME-WAIT ({waiting}) can be used again after a second: net.ipv4.tcp_tw_reuse = {net.ipv4.tcp_tw_reuse}.",
            "sysctl -w net.ipv4.tcp_tw_reuse=1",
        ),
    ],
    references: &["RFC 6191", "__inet_hash_connect() in net/ipv4/inet_hashtables.c"],
    explained_by: &[],
    limits: &[
        Limit::new("share", 0.8, "share", "of the range"),
        Limit::new("critical", 0.95, "share", "from where on it is critical"),
    ],
    offers: &["waiting"],
    judge: Judge::Service(judge),
};

/// Places in the list of limits.
const SHARE: usize = 0;
const CRITICAL: usize = 1;

fn judge(case: &ServiceInput<'_>) -> Option<RuleMatch> {
    let (remote, used) = case.group.ports?;
    let [first, last] =
        <[i64; 2]>::try_from(case.context.settings.numbers("ip_local_port_range")?).ok()?;
    let range = (last - first + 1).max(1) as f64;
    let share = used as f64 / range;
    if share < case.limit(SHARE) {
        return None;
    }
    let critical = share >= case.limit(CRITICAL);
    let severity = if critical { Severity::Critical } else { Severity::Warning };
    let mut rule_match = RuleMatch::new(severity, Confidence::High, share)
        .with(Measure::new("ports_in_use", used as f64, "ports").over(range * case.limit(SHARE)))
        .with(Measure::new("ports", range, "ports"))
        .with(Measure::new("time_wait", case.group.ports_waiting as f64, "connections"))
        .saying("waiting", case.group.ports_waiting.to_string());
    rule_match.about = Some(format!("towards {remote}"));
    Some(rule_match)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::groups::Group;
    use crate::diagnosis::testing::{context, service};

    #[test]
    fn of_the_range_that_is_set() {
        let context = context();
        let of =
            |used| Group { ports: Some(("192.0.2.1".parse().unwrap(), used)), ..Group::default() };
        assert_eq!(service(&RULE, &of(64_000), &context).unwrap().severity, Severity::Critical);
        assert_eq!(service(&RULE, &of(5_000), &context), None);
        assert_eq!(service(&RULE, &Group::default(), &context), None);
    }
}
