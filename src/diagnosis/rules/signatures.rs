//! TD407: segments without the right signature.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, HostInput, Judge, Rule, RuleScope, Severity};

limits! {
    least: 3.0, "segments", "least number of rejected segments";
}

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD407",
    name: "signature-mismatch",
    title: "segments without the right signature",
    scope: RuleScope::Host,
    meaning: "Segments were dropped because their TCP-MD5 or TCP-AO signature is missing, unexpected or wrong: the keys of the two ends differ, one end has none, or somebody sends without knowing them. Connects seem to time out, since the kernel does not answer.",
    evidence: "growth of TCPMD5NotFound, TCPMD5Unexpected, TCPMD5Failure, TCPAORequired, TCPAOKeyNotFound, TCPAOBad",
    guards: "The counters grow for such segments only. A few can be strays of an earlier connection.",
    seen_from: "the side that drops",
    other_side: "On the peer: repeated SYNs (TD153), or retransmits without an answer (TD122).",
    advice: &[
        Advice::with_command("See which of the counters grow.", "tcpdiag stats authentication"),
        Advice::new(
            "Compare the keys and the addresses that they are set for (TCP_MD5SIG, TCP_AO_ADD_KEY; in a routing daemon: the neighbour's password). The kernel's log names the addresses of rejected segments.",
        ),
    ],
    references: &["RFC 2385", "RFC 5925", "tcp_inbound_hash() in net/ipv4/tcp.c"],
    explained_by: &[],
    limits: Limits::LIST,
    placeholders: &[],
    judge: Judge::Host(|input, limits| judge(input, &limits.signatures)),
};

/// The counters: their names and their full names.
const COUNTERS: [(&str, &str); 6] = [
    ("TCPMD5NotFound", "TcpExtTCPMD5NotFound"),
    ("TCPMD5Unexpected", "TcpExtTCPMD5Unexpected"),
    ("TCPMD5Failure", "TcpExtTCPMD5Failure"),
    ("TCPAORequired", "TcpExtTCPAORequired"),
    ("TCPAOKeyNotFound", "TcpExtTCPAOKeyNotFound"),
    ("TCPAOBad", "TcpExtTCPAOBad"),
];

fn judge(input: &HostInput<'_>, limits: &Limits) -> Vec<RuleMatch> {
    let host = &input.context.host;
    let grown = COUNTERS.iter().filter_map(|(name, counter)| {
        let events = host.growth(counter).filter(|&events| events > 0)?;
        Some(Measure::new(name, events as f64, "segments"))
    });
    let grown: Vec<Measure> = grown.collect();
    let all: f64 = grown.iter().map(|measure| measure.value).sum();
    if all < limits.least {
        return Vec::new();
    }
    let mut rule_match = RuleMatch::new(Severity::Warning, Confidence::High, all);
    rule_match.evidence = grown;
    vec![rule_match]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{context, host, of_host};

    #[test]
    fn rejected_segments_match() {
        let mut context = context();
        assert!(of_host(&RULE, &context).is_empty());
        context.host = host(&[("TcpExtTCPMD5NotFound", 2), ("TcpExtTCPAOBad", 2)]);
        let found = of_host(&RULE, &context);
        let fields: Vec<&str> = found[0].evidence.iter().map(|one| one.field).collect();
        assert_eq!(fields, ["TCPMD5NotFound", "TCPAOBad"]);
        context.host = host(&[("TcpExtTCPMD5NotFound", 2)]);
        assert!(of_host(&RULE, &context).is_empty());
    }
}
