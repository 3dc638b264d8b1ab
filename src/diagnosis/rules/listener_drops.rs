//! TD203: segments dropped at the listener.

use crate::counters::Amount;
use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, ListenerInput, Rule, RuleScope, Severity};

limits! {
    least: 5.0, "segments", "least number of dropped segments";
    share: 0.5, "share", "share of drops among drops and accepted connections, from which drops that no counter explains are a warning";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD203",
    name: "listener-drops",
    title: "segments dropped at the listener",
    scope: RuleScope::Listener,
    meaning: "The listener dropped SYNs or the last acknowledgements of handshakes, because a queue was full, memory or a route was missing, or a signature or a filter did not match. Clients try again after one, three and seven seconds.",
    evidence: "growth of sk_drops of the listener, which counts all that it discarded, and the host's counters of what makes a listener drop",
    guards: "If a full queue was seen, that is the finding (TD201, TD204). A few stray segments are ignored. Drops that full queues of other listeners explain are not counted as this listener's cause.",
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
    let dropped = f64::from(input.listener.dropped()?);
    if dropped < limits.least {
        return None;
    }
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
    // A few stray segments are discarded wherever many connections are opened.
    // What could not be read may have grown.
    let is_known =
        |counter: &str| matches!(host.amount(counter), Amount::Events(_) | Amount::Absent);
    let all_are_known = COUNTERS.iter().all(|(_, counter)| is_known(counter));
    let opened = host.growth("TcpPassiveOpens").unwrap_or(0) as f64;
    let is_most = is_known("TcpPassiveOpens") && dropped >= limits.share * (dropped + opened);
    let is_harmful = !grown.is_empty() || is_most;
    let severity = if is_harmful { Severity::Warning } else { Severity::Info };
    let mut rule_match = RuleMatch::new(severity, Confidence::High, dropped)
        .with(Measure::new("drops", dropped, "segments").over(limits.least));
    if grown.is_empty() && all_are_known {
        rule_match.cause = Some(NOTHING_ELSE.to_owned());
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

/// The cause where none of them grew.
const NOTHING_ELSE: &str = "The listener discarded segments, and no counter of the host tells why: a filter of the program (SO_ATTACH_FILTER, eBPF), a missing route or memory for the answer, or segments that belong to no connection.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, host, listener, listening};

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
