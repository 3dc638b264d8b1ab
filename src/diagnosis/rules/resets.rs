//! TD309: connections are reset.

use crate::counters::is_above;
use crate::diagnosis::ending::Ends;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::host::HostHistory;
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleScope, ServiceInput, Severity};
use crate::model::Role;

limits! {
    share: 0.1, "share", "share of the ended connections that were reset or given up";
    lost: 0.02, "share", "share of the ended connections that lost data, from which it is more than information";
    critical: 0.5, "share", "share of lost connections from which it is critical";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD309",
    name: "resets",
    title: "connections do not end in an orderly way",
    scope: RuleScope::Service,
    meaning: "Connections of this service ended without a FIN that the peer acknowledged: a reset came from the network, this host's program or kernel sent one, or the kernel gave up after repeating something without an answer. What was on the way is lost.",
    evidence: "tcp_info in destroy events: an orderly end acknowledges the FIN (bytes_acked against bytes_sent and bytes_retrans); bytes not acknowledged and not read; retransmits and probes; EstabResets, OutRsts, TCPAbortOnClose, TCPAbortOnData, TCPAbortOnTimeout, TCPAbortOnMemory",
    guards: "The host has to count resets of established connections, unless data was lost. Resets that clients send after they have everything, as load balancers, health checks and impatient browsers do, are information: data has to be lost. A client whose peer sent no FIN cannot know whether the answer was complete, so that a reset from the network counts as a loss there. The kernel does not tell whether the peer or something between sent a reset. Without destroy events (`--no-events`) this cannot be detected.",
    seen_from: "both sides",
    other_side: "On the peer see whether it says the same. If neither end sent a reset (OutRsts), something between them did.",
    advice: &[
        Advice::new(
            "Resets come from the network: diagnose the peer at the same time. If OutRsts grows there, its program closes without reading everything or is killed; otherwise a firewall, NAT or load balancer between ends connections, often idle ones whose state it has dropped.",
        )
        .only_with("received"),
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
    placeholders: &["received", "unread", "dropped", "silent", "peer"],
    judge: Judge::Service(|input, limits| judge(input, &limits.resets)),
};

/// Who ended connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Causes {
    /// A reset came from the network.
    received: u64,
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
        let lost = match role == Role::Client.name() {
            true => received + silent,
            false => ends.lost.min(received + silent),
        };
        Self { received, silent, unread, dropped: ends.dropped, lost }
    }

    fn sum(&self) -> u64 {
        self.received + self.silent + self.unread + self.dropped
    }
}

fn judge(input: &ServiceInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let group = input.group;
    let host = &input.context.host;
    let causes = |ends: &Ends| Causes::of(ends, input.key.role, host);
    let worst = group.peers.iter().max_by_key(|(_, peer)| causes(&peer.ends).sum());
    let (address, worst) = worst.map(|(address, peer)| (address.to_string(), peer.ends))?;
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
    let severity = match lost {
        true if is_above(found.lost, ends.ended(), limits.critical) => Severity::Critical,
        true => Severity::Warning,
        false => Severity::Info,
    };
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
        .with_word("peer", address);
    rule_match.cause = Some(cause(&found, ends, growth("TcpOutRsts")));
    rule_match.about = about;
    for (word, count) in [
        ("received", found.received),
        ("unread", found.unread),
        ("dropped", found.dropped),
        ("silent", found.silent),
    ] {
        if count > 0 {
            rule_match = rule_match.with_word(word, "");
        }
    }
    Some(rule_match)
}

fn cause(found: &Causes, ends: &Ends, sent: Option<u64>) -> String {
    let mut text = format!(
        "{} of {} connections that ended did so without an acknowledged FIN",
        found.sum(),
        ends.ended()
    );
    let from = match sent {
        Some(0) => {
            "were reset from the network (this host sent no reset; whether the peer or something between did is not told)"
        }
        _ => {
            "were reset, most likely from the network (whether by the peer or by something between is not told)"
        }
    };
    for (count, how) in [
        (found.received, from),
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
    use crate::diagnosis::groups::{Group, GroupKey, Peer};
    use crate::diagnosis::rule::Context;
    use crate::diagnosis::testing::{context, host};
    use crate::diagnosis::{RuleLimits, ServiceInput};
    use crate::model::ScopedAddress;

    fn found(role: &'static str, ends: Ends, context: &Context) -> Option<RuleMatch> {
        let peer = Peer { ends, ..Peer::default() };
        let mut group = Group { sum: peer, ..Group::default() };
        group.peers.insert(ScopedAddress::of("10.0.0.1".parse().unwrap(), 0), peer);
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
        let few = Ends { orderly: 900, ..polite };
        assert_eq!(found("server", few, &context()), None);
        assert_eq!(found("client", Ends { orderly: 9, ..Ends::default() }, &context()), None);
        let one = Ends { aborted: 1, ..Ends::default() };
        assert_eq!(found("server", one, &context()), None, "one of one");
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
