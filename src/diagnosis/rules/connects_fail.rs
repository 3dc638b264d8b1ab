//! TD308: connection attempts fail.

use crate::counters::is_above;
use crate::diagnosis::ending::Ends;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleScope, ServiceInput, Severity};

limits! {
    share: 0.1, "share", "share of the connects that failed";
    peer: 0.2, "share", "the same for a single peer of many";
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
    guards: "The share has to be above the limit beyond chance, whatever the number: one failure of one attempt is none. The host has to count failed attempts, or nothing of them was answered. A program that tries two addresses at once and keeps the first that answers gives up the other: that peer is named. After a blocking connect() the kernel has forgotten the port, and whether it was refused; then only the peer is named.",
    seen_from: "the client",
    other_side: "On the server `tcpdiag listeners` shows whether something listens there, and TD201 or TD204 whether its queue is full. Refusals by a firewall on the path are not seen there.",
    advice: &[
        Advice::with_command(
            "Connects are refused: check on the peer that its program runs and listens on that port and address, and which firewall answers with a reset.",
            "tcpdiag listeners",
        )
        .only_with("refused"),
        Advice::with_command(
            "Nothing answers: see whether the host does at all, and whether a firewall drops what goes to that port.",
            "ping -c 3 {peer}",
        )
        .only_with("unanswered"),
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
    placeholders: &["refused", "unanswered", "lasting", "short", "peer"],
    judge: Judge::Service(|input, limits| judge(input, &limits.connects_fail)),
};

fn judge(input: &ServiceInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let group = input.group;
    let sum = &group.sum.ends;
    let fails = |ends: &Ends, share| is_above(ends.failures(), ends.attempts(), share);
    let worst = group.peers.iter().max_by_key(|(_, peer)| peer.ends.failures());
    let (address, worst) = worst.map(|(address, peer)| (address.to_string(), peer.ends))?;
    // Most failures are to one peer: it is named.
    let alone = worst.failures() * 10 >= sum.failures() * 9 && group.peers.len() > 1;
    let (ends, about) = match alone && fails(&worst, limits.peer) {
        true => (&worst, Some(format!("peer {address}"))),
        false if fails(sum, limits.share) => (sum, None),
        false => return None,
    };
    let host = &input.context.host;
    let counted = host.growth("TcpAttemptFails");
    if counted == Some(0) && ends.refused + ends.unanswered + ends.failed > 0 && ends.given_up == 0
    {
        return None;
    }
    let none = ends.connected == 0 && is_above(ends.failures(), ends.attempts(), limits.critical);
    let severity = if none { Severity::Critical } else { Severity::Warning };
    let confidence =
        if ends.failed * 2 > ends.failures() { Confidence::Medium } else { Confidence::High };
    let share = ends.failures() as f64 / ends.attempts().max(1) as f64;
    let mut found = RuleMatch::new(severity, confidence, ends.failures() as f64)
        .with(Measure::new("failed_connects", ends.failures() as f64, "connects"))
        .with(Measure::new("failed_share", share, "share").over(limits.share))
        .with(Measure::new("refused", ends.refused as f64, "connects"))
        .with(Measure::new("unanswered", ends.unanswered as f64, "connects"))
        .with(Measure::new("given_up", ends.given_up as f64, "connects"))
        .with(Measure::new("not_told", ends.failed as f64, "connects"))
        .with_growth("AttemptFails", counted)
        .with_growth("TCPAbortOnTimeout", host.growth("TcpExtTCPAbortOnTimeout"))
        .with_word("peer", address.clone());
    found.cause = Some(cause(ends));
    found.about = match (about, input.key.port) {
        // A port that is not known is no service.
        (None, 0) if group.peers.len() == 1 => Some(format!("peer {address}, port not known")),
        (None, 0) => Some(format!("{} peers, ports not known", group.peers.len())),
        (Some(peer), 0) => Some(format!("{peer}, port not known")),
        (about, _) => about,
    };
    if ends.refused > 0 {
        found = found.with_word("refused", "");
    }
    if ends.unanswered + ends.given_up > 0 {
        found = found.with_word("unanswered", "");
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

fn cause(ends: &Ends) -> String {
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
    text + "."
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::groups::{Group, Peer};
    use crate::diagnosis::testing::{context, host, service};
    use crate::model::ScopedAddress;

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
    fn the_host_has_to_count_failures() {
        let failed = group(&[("10.0.0.1", Ends { failed: 8, ..Ends::default() })]);
        let mut context = context();
        context.host = host(&[("TcpAttemptFails", 0)]);
        assert_eq!(service(&RULE, &failed, &context), None);
        context.host = host(&[("TcpAttemptFails", 8)]);
        assert_eq!(service(&RULE, &failed, &context).unwrap().confidence, Confidence::Medium);
    }
}
