//! TD308: connection attempts fail.

use std::net::{IpAddr, Ipv4Addr};

use crate::counters::is_above;
use crate::diagnosis::ending::Ends;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::groups::{Group, is_own};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleScope, ServiceInput, Severity};
use crate::model::ScopedAddress;

limits! {
    share: 0.1, "share", "share of the connects that failed";
    peer: 0.2, "share", "the same for a single end point";
    unknown: 0.01, "share", "share of the connects to a host, from which failed ones of unknown port are judged as those of an end point of their own";
    critical: 0.5, "share", "share of failed connects from which it is critical if none succeeded";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD308",
    name: "connects-fail",
    title: "connection attempts fail",
    scope: RuleScope::Service,
    meaning: "Programs on this host try to connect and fail: the peer or something on the path refuses with a reset, or nothing answers until the program or the kernel gives up. Such sockets live too short for polls to show them.",
    evidence: "sockets that ended before the handshake was complete, from destroy events and polls, against connections that were opened, by service and by peer; segments that they received (a refusal is one) and repeated SYNs; AttemptFails, TCPAbortOnTimeout",
    guards: "The share has to be above the limit beyond chance, whatever the number: one failure of one attempt is none. Every remote end point (address and port) is judged on its own, so that a dead one is found beside any number of others. The host has to count failed attempts, or nothing of them was answered. A program that tries two addresses at once and keeps the first that answers gives up the other: that peer is named. After a blocking connect() the kernel has forgotten the port, and whether it was refused; then only the peer is named, and its failures count as those of an end point of their own, unless they are few among the connects to a host elsewhere. A program that tries ::1 and then 127.0.0.1 with success has lost next to nothing: information, unless other end points are dead too.",
    seen_from: "the client",
    other_side: "On the server `tcpdiag listeners` shows whether something listens there, and TD201 or TD204 whether its queue is full. Refusals by a firewall on the path are not seen there.",
    advice: &[
        Advice::with_command(
            "Connects are refused: check on the peer that its program runs and listens on that port and address. If it does, something on the path refuses in its name.",
            "tcpdiag listeners",
        )
        .only_with("refused"),
        Advice::with_command(
            "Connects to this host itself are refused: nothing listens on that port and address. See whether its program runs.",
            "tcpdiag listeners",
        )
        .only_with("refused_here"),
        Advice::with_command(
            "Nothing answers: see whether the host does at all, and whether a firewall drops what goes to that port.",
            "ping -c 3 {peer}",
        )
        .only_with("unanswered"),
        Advice::with_command(
            "Connects to this host itself get no answer: see whether something listens on that port. If it does, its accept queue was full (TD201) or the client did not wait; if nothing does, a firewall on this host drops them instead of refusing.",
            "tcpdiag listeners",
        )
        .only_with("unanswered_here"),
        Advice::with_command(
            "See which program tries, while it tries.",
            "tcpdiag conns --state syn_sent --processes --columns remote,timer,process",
        )
        .only_with("lasting"),
        Advice::new(
            "Connects that are refused are over too soon to be listed: the logs of the programs that connect to {peer} tell which one fails.",
        )
        .only_with("short"),
    ],
    references: &[
        "RFC 9293 3.10.7.3",
        "tcp_rcv_synsent_state_process() in net/ipv4/tcp_input.c",
        "tcp_write_timeout() in net/ipv4/tcp_timer.c",
    ],
    explained_by: &["TD153", "TD306"],
    limits: Limits::LIST,
    placeholders: &[
        "refused",
        "refused_here",
        "unanswered",
        "unanswered_here",
        "lasting",
        "short",
        "peer",
    ],
    judge: Judge::Service(|input, limits| judge(input, &limits.connects_fail)),
};

/// The connects that a finding is about.
struct Failing {
    ends: Ends,
    /// The peer with the most failures among them.
    address: ScopedAddress,
    /// Which of the peers they are, if not all.
    about: Option<String>,
    /// The limit that their share is above.
    limit: Option<f64>,
    /// Whether they are all to ::1, while 127.0.0.1 accepts as many.
    falls_back: bool,
}

/// The end points to which connects fail; `None` if there are none.
fn failing(input: &ServiceInput<'_>, limits: &Limits) -> Option<Failing> {
    let group = input.group;
    let fails = |ends: &Ends, share| is_above(ends.failures(), ends.attempts(), share);
    let is_here = |address: &ScopedAddress| is_own(address, group.example.as_ref());
    // The end points of failures without a port are not those of the connects that succeeded.
    let is_single = |address: &ScopedAddress, ends: &Ends| match input.key.port {
        0 => {
            let (failures, all) = (ends.failures(), ends.attempts() as f64);
            is_above(failures, failures, limits.peer)
                && (is_here(address) || failures as f64 >= limits.unknown * all)
        }
        _ => fails(ends, limits.peer),
    };
    let peers = || group.peers.iter().map(|(address, peer)| (*address, peer.ends));
    let worst = |peers: &mut dyn Iterator<Item = (ScopedAddress, Ends)>| {
        peers.max_by_key(|(address, ends)| (ends.failures(), *address))
    };
    let all_dead: Vec<_> = peers().filter(|(address, ends)| is_single(address, ends)).collect();
    // What costs next to nothing does not hide what is worse.
    let falls =
        |(address, ends): &(ScopedAddress, Ends)| falls_back(address, ends.failures(), group);
    let falls_back = !all_dead.is_empty() && all_dead.iter().all(falls);
    let dead: Vec<_> = all_dead.into_iter().filter(|one| falls_back || !falls(one)).collect();
    if dead.is_empty() {
        let (address, _) = worst(&mut peers())?;
        let ends = group.sum.ends;
        let limit = Some(limits.share);
        return fails(&ends, limits.share).then_some(Failing {
            ends,
            address,
            about: None,
            limit,
            falls_back,
        });
    }
    let (address, _) = worst(&mut dead.iter().copied())?;
    let mut ends = Ends::default();
    match dead.len() == group.peers.len() {
        // With those of peers beyond the number that is kept.
        true => ends = group.sum.ends,
        false => dead.iter().for_each(|(_, one)| ends.add(one)),
    }
    let about = match dead.len() {
        count if count == group.peers.len() => None,
        1 => Some(format!("peer {address}")),
        count => Some(format!("{count} of {} peers, such as {address}", group.peers.len())),
    };
    let limit = match input.key.port {
        0 => (!dead.iter().all(|(address, _)| is_here(address))).then_some(limits.unknown),
        _ => Some(limits.peer),
    };
    Some(Failing { ends, address, about, limit, falls_back })
}

/// Whether connects to ::1 fail while as many to 127.0.0.1 and the same port succeed: programs try
/// both addresses of `localhost`.
fn falls_back(address: &ScopedAddress, failures: u64, group: &Group) -> bool {
    let other = match address.address() {
        IpAddr::V6(one) if one.is_loopback() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        _ => return false,
    };
    let other = group.peers.get(&ScopedAddress::of(other, 0));
    other.is_some_and(|other| other.ends.connected >= failures)
}

fn judge(input: &ServiceInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let group = input.group;
    let Failing { ends, address, about, limit, falls_back } = failing(input, limits)?;
    let host = &input.context.host;
    let counted = host.growth("TcpAttemptFails");
    if counted == Some(0) && ends.refused + ends.unanswered + ends.failed > 0 && ends.given_up == 0
    {
        return None;
    }
    let none = ends.connected == 0 && is_above(ends.failures(), ends.attempts(), limits.critical);
    let severity = match none {
        _ if falls_back => Severity::Info,
        true => Severity::Critical,
        false => Severity::Warning,
    };
    let confidence =
        if ends.failed * 2 > ends.failures() { Confidence::Medium } else { Confidence::High };
    let share = ends.failures() as f64 / ends.attempts().max(1) as f64;
    let mut found = RuleMatch::new(severity, confidence, ends.failures() as f64)
        .with(Measure::new("failed_connects", ends.failures() as f64, "connects"))
        .with(match limit {
            Some(limit) => Measure::new("failed_share", share, "share").over(limit),
            None => Measure::new("failed_share", share, "share"),
        })
        .with(Measure::new("refused", ends.refused as f64, "connects"))
        .with(Measure::new("unanswered", ends.unanswered as f64, "connects"))
        .with(Measure::new("given_up", ends.given_up as f64, "connects"))
        .with(Measure::new("not_told", ends.failed as f64, "connects"))
        .with_growth("AttemptFails", counted)
        .with_growth("TCPAbortOnTimeout", host.growth("TcpExtTCPAbortOnTimeout"))
        .with_word("peer", address.to_string());
    found.cause = Some(cause(&ends, &group.open_ports, falls_back));
    found.about = match (about, input.key.port) {
        // A port that is not known is no service.
        (None, 0) if group.peers.len() == 1 => Some(format!("peer {address}, port not known")),
        (None, 0) => Some(format!("{} peers, ports not known", group.peers.len())),
        (Some(peer), 0) => Some(format!("{peer}, port not known")),
        (about, _) => about,
    };
    let is_here = is_own(&address, group.example.as_ref());
    if ends.refused > 0 {
        found = found.with_word(if is_here { "refused_here" } else { "refused" }, "");
    }
    if ends.unanswered + ends.given_up > 0 {
        found = found.with_word(if is_here { "unanswered_here" } else { "unanswered" }, "");
    }
    // What the kernel has forgotten may have lasted or not.
    if ends.unanswered + ends.given_up + ends.failed > 0 {
        found = found.with_word("lasting", "");
    }
    if ends.refused + ends.failed > 0 {
        found = found.with_word("short", "");
    }
    Some(found)
}

/// Ports that are listed.
const SPELLED: usize = 5;

fn cause(ends: &Ends, open_ports: &[u16], falls_back: bool) -> String {
    let mut text = format!("{} of {} connects failed", ends.failures(), ends.attempts());
    for (count, how) in [
        (ends.refused, "were refused with a reset"),
        (ends.unanswered, "got no answer to repeated SYNs"),
        (ends.given_up, "ended without an answer before the first repeated SYN"),
        (ends.failed, "failed in a way that the kernel has forgotten"),
    ] {
        if count > 0 {
            text += &format!(", {count} {how}");
        }
    }
    text.push('.');
    if !open_ports.is_empty() {
        let listed = open_ports.iter().take(SPELLED).map(u16::to_string);
        let more = if open_ports.len() > SPELLED { " and others" } else { "" };
        text += &format!(
            " Others to the same host succeeded (port {}{more}): all of those that failed may have gone to one port where nothing listens.",
            listed.collect::<Vec<_>>().join(", ")
        );
    }
    if falls_back {
        text += " As many connects to 127.0.0.1 and the same port succeeded: programs try both addresses of localhost, and the service listens on one.";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::groups::{GroupKey, Peer};
    use crate::diagnosis::testing::{context, host, service};

    fn group(peers: &[(&str, Ends)]) -> Group {
        let mut group = Group::default();
        for (address, ends) in peers {
            let peer = Peer { ends: *ends, ..Peer::default() };
            group.sum.add(&peer);
            group.peers.insert(ScopedAddress::of(address.parse().unwrap(), 0), peer);
        }
        group
    }

    fn found(peers: &[(&str, Ends)]) -> Option<RuleMatch> {
        service(&RULE, &group(peers), &context())
    }

    /// The limit that is printed with the share of failed connects.
    fn limit(found: &RuleMatch) -> Option<f64> {
        found.evidence.iter().find(|one| one.field == "failed_share").unwrap().threshold
    }

    #[test]
    fn the_limit_that_applied_is_printed() {
        let of = |connected, refused| Ends { connected, refused, ..Ends::default() };
        let one = found(&[("10.0.0.1", of(0, 61)), ("10.0.0.2", of(500, 0))]).unwrap();
        assert_eq!(limit(&one), Some(0.2), "a single end point");
        let all = found(&[("10.0.0.1", of(80, 18)), ("10.0.0.2", of(80, 18))]).unwrap();
        assert_eq!(limit(&all), Some(0.1), "all of them together");
    }

    #[test]
    fn few_failures_may_be_beyond_chance() {
        let refused = |connected, refused| Ends { connected, refused, ..Ends::default() };
        let all = found(&[("10.0.0.1", refused(0, 61))]).unwrap();
        assert_eq!(all.severity, Severity::Critical);
        assert_eq!(all.cause.unwrap(), "61 of 61 connects failed, 61 were refused with a reset.");
        assert_eq!(found(&[("10.0.0.1", refused(5, 5))]).unwrap().severity, Severity::Warning);
        assert_eq!(found(&[("10.0.0.1", refused(0, 1))]), None, "one of one");
        assert_eq!(found(&[("10.0.0.1", refused(100, 3))]), None);
        assert_eq!(found(&[("10.0.0.1", Ends::default())]), None);
        assert_eq!(found(&[]), None);
    }

    #[test]
    fn refused_connects_are_not_looked_for_among_sockets() {
        let words = |ends| {
            let found = found(&[("10.0.0.1", ends)]).unwrap();
            ["lasting", "short"].map(|word| found.words.contains(&(word, String::new())))
        };
        assert_eq!(words(Ends { refused: 40, ..Ends::default() }), [false, true]);
        assert_eq!(words(Ends { unanswered: 40, ..Ends::default() }), [true, false]);
        assert_eq!(words(Ends { failed: 40, ..Ends::default() }), [true, true]);
    }

    #[test]
    fn one_peer_of_many_is_named() {
        let good = Ends { connected: 200, ..Ends::default() };
        let dead = Ends { given_up: 12, ..Ends::default() };
        let one = found(&[("10.0.0.1", good), ("10.0.0.2", dead)]).unwrap();
        assert_eq!(one.about.as_deref(), Some("peer 10.0.0.2"));
        assert!(one.words.contains(&("peer", "10.0.0.2".to_owned())));
        assert!(one.words.contains(&("unanswered", String::new())));
        let both = found(&[("10.0.0.1", dead), ("10.0.0.2", dead)]).unwrap();
        assert_eq!(both.about, None);
    }

    #[test]
    fn a_dead_end_point_is_found_beside_many_that_live() {
        let good = Ends { connected: 20_000, ..Ends::default() };
        let dead = Ends { refused: 5, ..Ends::default() };
        let one = found(&[("10.0.0.1", good), ("10.0.0.2", dead), ("10.0.0.3", good)]).unwrap();
        assert_eq!(one.about.as_deref(), Some("peer 10.0.0.2"));
        assert_eq!(one.cause.unwrap(), "5 of 5 connects failed, 5 were refused with a reset.");
        let two = found(&[("10.0.0.1", good), ("10.0.0.2", dead), ("10.0.0.3", dead)]).unwrap();
        assert_eq!(two.about.as_deref(), Some("2 of 3 peers, such as 10.0.0.3"));
        let rare = Ends { refused: 5, ..good };
        assert_eq!(found(&[("10.0.0.1", rare), ("10.0.0.2", good)]), None);
    }

    #[test]
    fn failures_without_a_port_are_of_an_end_point_of_their_own() {
        let found = |address, connected, failed| {
            let ends = Ends { connected, failed, ..Ends::default() };
            let group = Group { open_ports: vec![7000, 8080], ..group(&[(address, ends)]) };
            let (key, context) = (GroupKey { role: "client", port: 0 }, context());
            let input = ServiceInput { key, group: &group, context: &context };
            judge(&input, &crate::diagnosis::RuleLimits::default().connects_fail)
        };
        let one = found("127.0.0.1", 10_000, 5).unwrap();
        assert_eq!((one.severity, one.confidence), (Severity::Warning, Confidence::Medium));
        assert_eq!(limit(&one), None, "5 in 10 005 are above none");
        assert!(one.cause.unwrap().contains("succeeded (port 7000, 8080)"));
        assert_eq!(limit(&found("10.0.0.1", 100, 5).unwrap()), Some(0.01));
        assert_eq!(found("10.0.0.1", 10_000, 5), None, "few elsewhere");
        assert_eq!(found("127.0.0.1", 100, 2), None, "two may be chance");
    }

    #[test]
    fn a_fall_back_to_the_other_address_of_localhost_is_information() {
        let refused = Ends { refused: 20, ..Ends::default() };
        let good = Ends { connected: 20, ..Ends::default() };
        let one = found(&[("::1", refused), ("127.0.0.1", good)]).unwrap();
        assert!(one.words.contains(&("refused_here", String::new())), "no firewall");
        assert_eq!(one.severity, Severity::Info);
        let beside =
            [("::1", refused), ("127.0.0.1", good), ("10.0.0.2", Ends { refused: 9, ..refused })];
        let other = found(&beside).unwrap();
        assert_eq!(other.severity, Severity::Critical, "another one is dead");
        assert_eq!(other.about.as_deref(), Some("peer 10.0.0.2"));
        assert!(other.cause.unwrap().starts_with("9 of 9 connects failed"));
        let less = Ends { connected: 5, ..good };
        let one = found(&[("::1", refused), ("127.0.0.1", less)]).unwrap();
        assert_eq!(one.severity, Severity::Critical);
    }

    #[test]
    fn the_host_has_to_count_failures() {
        let failed = group(&[("10.0.0.1", Ends { failed: 8, ..Ends::default() })]);
        let mut context = context();
        context.host = host(&[("TcpAttemptFails", 0)]);
        assert_eq!(service(&RULE, &failed, &context), None);
        context.host = host(&[("TcpAttemptFails", 8)]);
        assert_eq!(service(&RULE, &failed, &context).unwrap().confidence, Confidence::Medium);
    }
}
