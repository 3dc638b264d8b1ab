//! TD203: segments dropped at the listener.

use crate::counters::{Amount, Verdict, is_above};
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::{critical_above, limits};
use crate::diagnosis::rule::{Advice, Confidence, Judge, ListenerInput, Rule, RuleScope, Severity};

limits! {
    least: 3.0, "segments", "segments that a counter of refused handshakes explains, from which it is a warning";
    share: critical_above("listen_drops"), "share", "share of drops among drops and accepted connections, above which drops that no counter explains are a warning";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD203",
    name: "listener-drops",
    title: "segments dropped at the listener",
    scope: RuleScope::Listener,
    meaning: "The listener dropped SYNs or the last acknowledgements of handshakes, because a queue was full, memory or a route was missing, or a signature or a filter did not match. Clients try again after one, three and seven seconds.",
    evidence: "growth of sk_drops of the listener, which counts all that it discarded, and the host's counters of what makes a listener drop",
    guards: "If a full queue was seen, that is the finding (TD201, TD204). Drops that full queues of other listeners explain are not counted as this listener's cause. sk_drops also counts strays, and SYNs that are repeated because the path lost the answer (TCPSynRetrans): with those, or if no counter explains the drops, it is a warning only if their share is above the limit beyond chance. Every growth is at least information.",
    seen_from: "the server",
    other_side: "On clients: handshakes that take a second or more.",
    advice: &[Advice::with_command(
        "Find the cause: ListenOverflows counts the accept queue, TCPReqQFullDrop the SYN queue. The rest is memory, a missing route or a filter.",
        "tcpdiag stats listen syncookies",
    )],
    references: &["tcp_listendrop() in include/net/tcp.h"],
    explained_by: &["TD201", "TD204", "TD205"],
    limits: Limits::LIST,
    placeholders: &[],
    judge: Judge::Listener(|input, limits| judge(input, &limits.listener_drops)),
};

fn judge(input: &ListenerInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let dropped = u64::from(input.listener.dropped().filter(|&dropped| dropped > 0)?);
    let host = &input.context.host;
    // What full queues dropped is of listeners whose queue may have been full.
    let may_have_been_full = input.may_have_been_full();
    let queues = ["TcpExtListenOverflows", "TcpExtTCPReqQFullDrop"];
    let by_queues: u64 = queues.iter().filter_map(|name| host.growth(name)).sum();
    let listen_drops = host.growth("TcpExtListenDrops").unwrap_or(0);
    let grown = COUNTERS.iter().filter_map(|(name, counter)| {
        let of_queues = queues.contains(counter)
            || *counter == "TcpExtListenDrops" && listen_drops <= by_queues;
        let events = host.growth(counter).filter(|&events| events > 0)?;
        (may_have_been_full || !of_queues).then(|| Measure::new(name, events as f64, "events"))
    });
    let grown: Vec<Measure> = grown.collect();
    let refused = grown.iter().filter(|it| !NO_REFUSALS.contains(&it.field)).map(|it| it.value);
    let refused = refused.fold(0.0, f64::max).min(dropped as f64);
    // Repeated SYNs of handshakes under way are discarded too (tcp_check_req()).
    let repeated = host.growth("TcpExtTCPSynRetrans").unwrap_or(0);
    let unexplained = dropped.saturating_sub(repeated.max(refused as u64));
    // What could not be read may have grown.
    let is_known =
        |counter: &str| matches!(host.amount(counter), Amount::Events(_) | Amount::Absent);
    let all_are_known = COUNTERS.iter().all(|(_, counter)| is_known(counter));
    let opened = host.growth("TcpPassiveOpens").unwrap_or(0);
    let are_many = is_known("TcpPassiveOpens")
        && is_above(unexplained, unexplained.saturating_add(opened), limits.share);
    let is_warned_of = host.verdict("listen_drops") >= Some(Verdict::Warn);
    let is_refusing = refused >= limits.least || refused > 0.0 && is_warned_of;
    let severity = if is_refusing || are_many { Severity::Warning } else { Severity::Info };
    let mut rule_match = RuleMatch::new(severity, Confidence::High, dropped as f64)
        .with(Measure::new("drops", dropped as f64, "segments"));
    if grown.is_empty() && all_are_known {
        let cause = if unexplained == 0 { REPEATED } else { NOTHING_ELSE };
        rule_match.cause = Some(cause.to_owned());
        if repeated > 0 {
            rule_match = rule_match.with_growth("TCPSynRetrans", Some(repeated));
        }
    }
    rule_match.evidence.extend(grown);
    Some(rule_match)
}

/// Counters of what makes a listener drop a segment.
const COUNTERS: [(&str, &str); 14] = [
    ("ListenDrops", "TcpExtListenDrops"),
    ("ListenOverflows", "TcpExtListenOverflows"),
    ("TCPReqQFullDrop", "TcpExtTCPReqQFullDrop"),
    ("TCPMD5NotFound", "TcpExtTCPMD5NotFound"),
    ("TCPMD5Unexpected", "TcpExtTCPMD5Unexpected"),
    ("TCPMD5Failure", "TcpExtTCPMD5Failure"),
    ("TCPAOBad", "TcpExtTCPAOBad"),
    ("TCPAOKeyNotFound", "TcpExtTCPAOKeyNotFound"),
    ("TCPAORequired", "TcpExtTCPAORequired"),
    ("TCPMinTTLDrop", "TcpExtTCPMinTTLDrop"),
    ("TCPBacklogDrop", "TcpExtTCPBacklogDrop"),
    ("PAWSActive", "TcpExtPAWSActive"),
    ("InCsumErrors", "TcpInCsumErrors"),
    ("SyncookiesFailed", "TcpExtSyncookiesFailed"),
];

/// Those of them that grow without a handshake being refused.
const NO_REFUSALS: [&str; 3] = ["TCPBacklogDrop", "InCsumErrors", "SyncookiesFailed"];

/// The cause where none of them grew, and as many SYNs or answers were repeated.
const REPEATED: &str = "The listener discarded repeated SYNs of handshakes that were under way: the answers to the first ones were lost on the path or late (TCPSynRetrans). It refused nothing.";

/// The cause where none of them grew.
const NOTHING_ELSE: &str = "The listener discarded segments, and no counter of the host tells why: a filter of the program (SO_ATTACH_FILTER, eBPF), a missing route or memory for the answer, or segments that belong to no connection.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, host, listener, listening};

    #[test]
    fn any_growth_is_a_finding_and_its_share_decides() {
        let judged = |dropped, grown: &[(&str, u64)]| {
            let mut dropping = listening(0, 0, 128);
            dropping.set_dropped(dropped);
            let mut context = context();
            context.host = host(grown);
            listener(&RULE, &dropping, &context).map(|found| found.severity)
        };
        use Severity::{Info, Warning};
        for (dropped, opened, severity) in [
            (0, 100, None),
            (1, 100, Some(Info)),
            // 5 % of the handshakes: a filter of the program drops them.
            (50, 1_000, Some(Warning)),
            (4, 16, Some(Warning)),
            // Less than 1 %: strays.
            (50, 10_000, Some(Info)),
        ] {
            let found = judged(dropped, &[("TcpPassiveOpens", opened)]);
            assert_eq!(found, severity, "{dropped} of {opened}");
        }
        // The path lost as many answers.
        let repeated = [("TcpPassiveOpens", 1_000), ("TcpExtTCPSynRetrans", 55)];
        assert_eq!(judged(50, &repeated), Some(Info));
        let other = [("TcpPassiveOpens", 1_000), ("TcpExtTCPSynRetrans", 5)];
        assert_eq!(judged(50, &other), Some(Warning));
        // A counter of refused handshakes moved with them.
        let refused = |refused| [("TcpPassiveOpens", 100_000), ("TcpExtTCPMD5Failure", refused)];
        assert_eq!(judged(3, &refused(3)), Some(Warning));
        assert_eq!(judged(3, &refused(1)), Some(Info));
        assert_eq!(
            judged(3, &[("TcpPassiveOpens", 100_000), ("TcpExtTCPBacklogDrop", 3)]),
            Some(Info)
        );
    }

    #[test]
    fn counters_that_moved_with_the_drops_are_named() {
        let mut dropping = listening(0, 0, 128);
        dropping.set_dropped(40);
        let mut context = context();
        let silent = listener(&RULE, &dropping, &context).unwrap();
        assert_eq!((silent.severity, silent.evidence.len()), (Severity::Warning, 1));
        assert!(silent.cause.unwrap().contains("SO_ATTACH_FILTER"));
        context.host = host(&[("TcpPassiveOpens", 100_000)]);
        assert_eq!(listener(&RULE, &dropping, &context).unwrap().severity, Severity::Info);
        context.host = host(&[("TcpExtTCPMD5NotFound", 40), ("TcpExtListenDrops", 0)]);
        let found = listener(&RULE, &dropping, &context).unwrap();
        let fields: Vec<&str> = found.evidence.iter().map(|one| one.field).collect();
        assert_eq!(fields, ["drops", "TCPMD5NotFound"]);
        assert_eq!((found.severity, found.cause), (Severity::Warning, None));
        assert_eq!(listener(&RULE, &listening(0, 0, 128), &context), None);
        // The queue of another listener ran over.
        context.host = host(&[("TcpExtListenDrops", 40), ("TcpExtListenOverflows", 40)]);
        let elsewhere = listener(&RULE, &dropping, &context).unwrap();
        assert_eq!(elsewhere.evidence.len(), 1, "the drops alone");
        assert!(elsewhere.cause.is_some());
        let mut nearly_full = listening(100, 100, 128);
        nearly_full.set_dropped(40);
        assert_eq!(listener(&RULE, &nearly_full, &context).unwrap().evidence.len(), 3);
    }
}
