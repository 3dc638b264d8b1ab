//! TD309: connections are reset.

use crate::counters::is_above;
use crate::diagnosis::ending::Ends;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::groups::is_own;
use crate::diagnosis::host::HostHistory;
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleScope, ServiceInput, Severity};
use crate::model::Role;

limits! {
    share: 0.1, "share", "share of the ended connections that were reset or given up";
    lost: 0.02, "share", "share of the ended connections that lost data, from which it is more than information";
    critical: 0.5, "share", "share of the ended connections that were given up, or lost data by a reset at a client, from which it is critical";
    reused: 0.25, "share", "share of the received resets at a client that came after the peer's FIN, from which the others are taken for such too: a FIN just before the reset is not seen";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD309",
    name: "resets",
    title: "connections do not end in an orderly way",
    scope: RuleScope::Service,
    meaning: "Connections of this service ended without a FIN that the peer acknowledged: a reset came from outside, this host's program or kernel sent one, or the kernel gave up after repeating something without an answer. What was on the way is lost.",
    evidence: "tcp_info in destroy events: an orderly end acknowledges the FIN (bytes_acked against bytes_sent and bytes_retrans); bytes not acknowledged and not read; retransmits and probes; the peer's FIN (CLOSE-WAIT, or a byte received without a segment with data); last_data_sent against last_data_recv; EstabResets, OutRsts, TCPAbortOnClose, TCPAbortOnData, TCPAbortOnTimeout, TCPAbortOnMemory",
    guards: "The host has to count resets of established connections, unless data was lost. Resets that clients send after they have everything, as load balancers, health checks and impatient browsers do, are information: data has to be lost. A server whose clients hang up is a warning at most: what is lost is what they no longer wanted. A client whose peer sent no FIN cannot know whether the answer was complete, so that a reset counts as a loss there; where the peer had sent one and the program used the connection again, it is a warning, and where everything had been acknowledged by then, nothing is lost. The kernel does not tell whether the peer or something between sent a reset: a firewall, NAT or load balancer is named only for other hosts, and only where connections had carried nothing for 30 seconds or more. Without destroy events (`--no-events`) this cannot be detected.",
    seen_from: "both sides",
    other_side: "On the peer see whether it says the same, and whether OutRsts grows there.",
    advice: &[
        Advice::new(
            "The peer had closed these connections (its idle timeout, a reload or restart, a limit of requests per connection), and the program here used them again. Let it repeat such a request on a fresh connection, and give it an idle timeout that is shorter than the server's.",
        )
        .only_with("reused"),
        Advice::new(
            "Clients end these connections before they have the whole answer: downloads that are cancelled, timeouts that are shorter than the answer takes, programs that are killed. Compare their timeouts with the time that answers take.",
        )
        .only_with("hung_up"),
        Advice::new(
            "Between ends of one host only the program at the other end or its kernel can have reset them: it closed without reading everything, was killed or was restarted. See its log.",
        )
        .only_with("from_here"),
        Advice::new(
            "Diagnose the peer at the same time: if OutRsts grows there, its program closes without reading everything, is killed or is restarted. If it does not, something on the path sends the resets.",
        )
        .only_with("from_peer"),
        Advice::new(
            "Some had carried nothing for 30 seconds or more before: a firewall, NAT or load balancer on the path may have dropped their state. Use them again sooner, or have keepalives sent more often than its timeout (SO_KEEPALIVE, TCP_KEEPIDLE).",
        )
        .only_with("idle"),
        Advice::new(
            "The program of this host closes connections with data unread, so that the kernel sends a reset: it should read to the end first.",
        )
        .only_with("unread"),
        Advice::new(
            "A program of this host closes with SO_LINGER 0, or a listener was closed before its program had accepted everything. That is on purpose in health checks and load balancers.",
        )
        .only_with("dropped"),
        Advice::with_command(
            "The kernel gave up: the peer stopped answering. See whether it can be reached.",
            "ping -c 3 {peer}",
        )
        .only_with("silent"),
    ],
    references: &[
        "RFC 9293 3.10.7.4",
        "RFC 2525 2.17",
        "tcp_reset() in net/ipv4/tcp_input.c, tcp_send_active_reset() in net/ipv4/tcp_output.c",
    ],
    explained_by: &["TD112", "TD122", "TD133", "TD141", "TD150", "TD151"],
    limits: Limits::LIST,
    placeholders: &[
        "reused", "hung_up", "from_here", "from_peer", "idle", "unread", "dropped", "silent", "peer",
    ],
    judge: Judge::Service(|input, limits| judge(input, &limits.resets)),
};

/// Who ended connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Causes {
    /// A reset came from outside.
    received: u64,
    /// Of these: at a client, after the peer had closed the connection.
    reused: u64,
    /// Of these: after the peer's FIN, with nothing left to arrive.
    finished: u64,
    /// Of these: after a long pause.
    idle: u64,
    /// The kernel gave up.
    silent: u64,
    /// The program closed without having read everything.
    unread: u64,
    /// The program dropped them.
    dropped: u64,
    /// Connections that lost data for another reason than this host's program.
    lost: u64,
}

impl Causes {
    fn of(ends: &Ends, role: &'static str, host: &HostHistory) -> Self {
        // Without such an event on the whole host, a reset came.
        let most = |count: u64, counter: &str| count.min(host.growth(counter).unwrap_or(count));
        let unread = most(ends.unread, "TcpExtTCPAbortOnClose");
        let silent = most(ends.silent, "TcpExtTCPAbortOnTimeout").min(ends.aborted - unread);
        let received = ends.aborted.saturating_sub(unread + silent);
        let is_client = role == Role::Client.name();
        let reused = if is_client { ends.after_fin.min(received) } else { 0 };
        let finished = ends.finished.min(received - reused);
        let lost = match is_client {
            true => received - finished + silent,
            false => ends.lost.min(received + silent),
        };
        let idle = ends.after_idle.min(received - reused - finished);
        Self { received, reused, finished, idle, silent, unread, dropped: ends.dropped, lost }
    }

    fn sum(&self) -> u64 {
        self.received + self.silent + self.unread + self.dropped
    }

    /// Received resets of which nothing tells why they came.
    fn unexplained(&self) -> u64 {
        self.received - self.reused - self.finished - self.idle
    }

    /// How bad it is. Of what clients cancel, and of connections that the peer had closed, no more
    /// is lost than what the client can ask for again.
    fn severity(&self, ended: u64, role: &'static str, limits: &Limits) -> Severity {
        let (reused, received) = (self.reused as f64, self.received as f64);
        let is_reused = self.reused > 0 && reused >= limits.reused * received;
        let by_reset = match role == Role::Client.name() && !is_reused {
            true => self.received - self.reused - self.finished,
            false => 0,
        };
        let severe = (self.silent + by_reset).min(self.lost);
        match is_above(self.lost, ended, limits.lost) {
            true if is_above(severe, ended, limits.critical) => Severity::Critical,
            true => Severity::Warning,
            false => Severity::Info,
        }
    }
}

fn judge(input: &ServiceInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let (group, role) = (input.group, input.key.role);
    let host = &input.context.host;
    let causes = |ends: &Ends| Causes::of(ends, role, host);
    let worst = group.peers.iter().max_by_key(|(_, peer)| causes(&peer.ends).sum());
    let (address, worst) = worst.map(|(address, peer)| (*address, peer.ends))?;
    let sum = &group.sum.ends;
    let alone = causes(&worst).sum() * 10 >= causes(sum).sum() * 9 && group.peers.len() > 1;
    let (ends, about) = match alone {
        true => (&worst, Some(format!("peer {address}"))),
        false => (sum, None),
    };
    let found = causes(ends);
    let lost = is_above(found.lost, ends.ended(), limits.lost);
    let many = is_above(found.sum(), ends.ended(), limits.share);
    let counted = host.growth("TcpEstabResets");
    if !many && !lost || counted == Some(0) && ends.lost == 0 {
        return None;
    }
    let is_local = match alone {
        true => is_own(&address, group.example.as_ref()),
        false => group.peers.keys().all(|address| is_own(address, group.example.as_ref())),
    };
    let severity = found.severity(ends.ended(), role, limits);
    let share = found.sum() as f64 / ends.ended().max(1) as f64;
    let growth = |name: &str| host.growth(name);
    let mut rule_match = RuleMatch::new(severity, Confidence::High, found.sum() as f64)
        .with(Measure::new("ended_by_reset", found.sum() as f64, "connections"))
        .with(Measure::new("ended_by_reset_share", share, "share").over(limits.share))
        .with(Measure::new("ended", ends.ended() as f64, "connections"))
        .with(Measure::new("with_loss", ends.lost as f64, "connections"))
        .with_growth("EstabResets", counted)
        .with_growth("OutRsts", growth("TcpOutRsts"))
        .with_growth("TCPAbortOnClose", growth("TcpExtTCPAbortOnClose"))
        .with_growth("TCPAbortOnData", growth("TcpExtTCPAbortOnData"))
        .with_growth("TCPAbortOnTimeout", growth("TcpExtTCPAbortOnTimeout"))
        .with_growth("TCPAbortOnMemory", growth("TcpExtTCPAbortOnMemory"))
        .with_word("peer", address.to_string());
    if found.reused > 0 {
        let used_again = Measure::new("used_after_fin", found.reused as f64, "connections");
        rule_match = rule_match.with(used_again);
    }
    rule_match.cause = Some(cause(&found, ends, role, is_local));
    rule_match.about = about;
    let is_server = role == Role::Server.name();
    let unexplained = found.unexplained();
    // Those that were given up lost data too.
    let cut = found.lost > found.silent;
    for (word, is_set) in [
        ("reused", found.reused > 0),
        ("hung_up", is_server && found.received > 0 && cut),
        ("from_here", !is_server && is_local && unexplained > 0),
        ("from_peer", !is_server && !is_local && unexplained > 0),
        ("idle", !is_local && found.idle > 0),
        ("unread", found.unread > 0),
        ("dropped", found.dropped > 0),
        ("silent", found.silent > 0),
    ] {
        if is_set {
            rule_match = rule_match.with_word(word, "");
        }
    }
    Some(rule_match)
}

fn cause(found: &Causes, ends: &Ends, role: &'static str, is_local: bool) -> String {
    let mut text = format!(
        "{} of {} connections that ended did so without an acknowledged FIN",
        found.sum(),
        ends.ended()
    );
    let from = match (role == Role::Server.name(), is_local) {
        (true, true) => "were reset by the client, a program of this host",
        (true, false) => "were reset by the client, or by something on the path in its name",
        (false, true) => "were reset by the other end, which is on this host",
        (false, false) => "were reset by the peer, or by something on the path in its name",
    };
    for (count, how) in [
        (
            found.reused,
            "were reset when the program here used them again after the peer had closed them (a FIN had come)",
        ),
        (found.idle, "were reset when they were used again after 30 seconds or more"),
        (found.finished, "were reset after the peer's FIN, with nothing left to arrive"),
        (found.unexplained(), from),
        (found.silent, "were given up after repeats without an answer"),
        (found.unread, "were closed by this host's program with data unread"),
        (found.dropped, "were dropped by this host's program (SO_LINGER 0) or with their listener"),
    ] {
        if count > 0 {
            text += &format!(", {count} {how}");
        }
    }
    if ends.lost > 0 {
        text += &format!(
            "; {} with data that was not acknowledged or a request without any answer",
            ends.lost
        );
    }
    text + "."
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::finding::Example;
    use crate::diagnosis::groups::{Group, GroupKey, Peer};
    use crate::diagnosis::rule::Context;
    use crate::diagnosis::testing::{context, host};
    use crate::diagnosis::{RuleLimits, ServiceInput};
    use crate::model::ScopedAddress;

    fn found(role: &'static str, ends: Ends, context: &Context) -> Option<RuleMatch> {
        found_of("10.0.0.1", role, ends, context)
    }

    fn found_of(
        address: &str,
        role: &'static str,
        ends: Ends,
        context: &Context,
    ) -> Option<RuleMatch> {
        let mut own = crate::model::example::socket();
        own.local.address = "10.0.0.9".parse().unwrap();
        let peer = Peer { ends, ..Peer::default() };
        let example = Some(Example::of(&own, Role::Client));
        let mut group = Group { sum: peer, example, ..Group::default() };
        group.peers.insert(ScopedAddress::of(address.parse().unwrap(), 0), peer);
        let input = ServiceInput { key: GroupKey { role, port: 80 }, group: &group, context };
        judge(&input, &RuleLimits::default().resets)
    }

    #[test]
    fn resets_after_the_answer_are_information_at_the_server() {
        let polite = Ends { orderly: 1, aborted: 9, ..Ends::default() };
        let one = found("server", polite, &context()).unwrap();
        assert_eq!(one.severity, Severity::Info);
        assert!(one.cause.unwrap().contains("9 of 10 connections"));
        let lost = Ends { lost: 9, ..polite };
        assert_eq!(found("server", lost, &context()).unwrap().severity, Severity::Warning);
        assert_eq!(found("client", polite, &context()).unwrap().severity, Severity::Warning);
        let most = Ends { aborted: 19, ..polite };
        assert_eq!(found("client", most, &context()).unwrap().severity, Severity::Critical);
        let cancelled = Ends { aborted: 60, lost: 60, ..Ends::default() };
        let one = found("server", cancelled, &context()).unwrap();
        assert_eq!(one.severity, Severity::Warning, "clients hang up");
        assert!(has(&one, "hung_up") && !has(&one, "from_peer"));
        let whole = found("server", polite, &context()).unwrap();
        assert!(!has(&whole, "hung_up"), "they had the whole answer");
        let gone = Ends { silent: 60, ..cancelled };
        let gone = found("server", gone, &context()).unwrap();
        assert_eq!(gone.severity, Severity::Critical, "no client reset anything");
        assert!(has(&gone, "silent") && !has(&gone, "hung_up"));
        let few = Ends { orderly: 900, ..polite };
        assert_eq!(found("server", few, &context()), None);
        assert_eq!(found("client", Ends { orderly: 9, ..Ends::default() }, &context()), None);
        let one = Ends { aborted: 1, ..Ends::default() };
        assert_eq!(found("server", one, &context()), None, "one of one");
    }

    fn has(found: &RuleMatch, word: &str) -> bool {
        found.words.iter().any(|(name, _)| *name == word)
    }

    #[test]
    fn connections_that_the_peer_had_closed_are_used_again() {
        let reused = Ends { aborted: 60, lost: 60, after_fin: 31, ..Ends::default() };
        let one = found("client", reused, &context()).unwrap();
        assert_eq!(one.severity, Severity::Warning);
        assert!(has(&one, "reused"));
        assert!(one.cause.unwrap().contains("31 were reset when the program here used them again"));
        let few = Ends { after_fin: 3, ..reused };
        assert_eq!(found("client", few, &context()).unwrap().severity, Severity::Critical);
        let server = found("server", reused, &context()).unwrap();
        assert!(!has(&server, "reused"), "what clients leave is not used again");
    }

    #[test]
    fn what_the_peer_had_finished_is_not_lost() {
        let ends = Ends { orderly: 1, aborted: 60, finished: 60, ..Ends::default() };
        let one = found("client", ends, &context()).unwrap();
        assert_eq!(one.severity, Severity::Info);
        assert!(!has(&one, "reused") && !has(&one, "from_peer"));
        assert!(one.cause.unwrap().contains("60 were reset after the peer's FIN"));
        let half = found("client", Ends { finished: 10, ..ends }, &context()).unwrap();
        assert_eq!(half.severity, Severity::Critical);
        assert!(has(&half, "from_peer"));
    }

    #[test]
    fn something_between_is_named_for_other_hosts_after_a_pause() {
        let of = |peer: &str, after_idle| {
            let ends = Ends { aborted: 60, lost: 60, after_idle, ..Ends::default() };
            let one = found_of(peer, "client", ends, &context()).unwrap();
            let words = ["idle", "from_peer", "from_here"].map(|word| has(&one, word));
            (words, one.cause.unwrap().contains("something on the path"))
        };
        assert_eq!(of("10.0.0.1", 60), ([true, false, false], false));
        assert_eq!(of("10.0.0.1", 20), ([true, true, false], true));
        assert_eq!(of("10.0.0.1", 0), ([false, true, false], true));
        assert_eq!(of("127.0.0.1", 20), ([false, false, true], false));
        // The address of the other end of its own.
        assert_eq!(of("10.0.0.9", 0), ([false, false, true], false));
    }

    #[test]
    fn counters_of_the_host_tell_who_it_was() {
        let ends = Ends { aborted: 9, unread: 9, silent: 4, dropped: 2, ..Ends::default() };
        let of = |grown: &[(&str, u64)]| Causes::of(&ends, "client", &host(grown));
        let received = of(&[("TcpExtTCPAbortOnClose", 0), ("TcpExtTCPAbortOnTimeout", 0)]);
        assert_eq!((received.received, received.lost), (9, 9));
        let own = of(&[("TcpExtTCPAbortOnClose", 9), ("TcpExtTCPAbortOnTimeout", 0)]);
        assert_eq!((own.received, own.unread, own.dropped, own.lost), (0, 9, 2, 0));
        let silent = of(&[("TcpExtTCPAbortOnClose", 0), ("TcpExtTCPAbortOnTimeout", 4)]);
        assert_eq!((silent.received, silent.silent, silent.lost), (5, 4, 9));
        let mut context = context();
        context.host = host(&[("TcpEstabResets", 0)]);
        assert_eq!(found("client", Ends { lost: 0, ..ends }, &context), None, "no reset counted");
    }

    #[test]
    fn resets_on_purpose_are_information() {
        let probes = Ends { dropped: 20, ..Ends::default() };
        let one = found("client", probes, &context()).unwrap();
        assert_eq!(one.severity, Severity::Info);
        assert!(one.words.contains(&("dropped", String::new())));
    }
}
