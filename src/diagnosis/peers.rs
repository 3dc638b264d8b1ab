//! Whether a peer that does not answer on one connection answers others: then the host is up, and
//! something concerns that connection alone.

use std::time::Duration;

use super::finding::{Finding, Measure, Subject};
use super::groups::Groups;

/// Seconds by which an answer on another connection has to be later than the last one on the silent
/// connection. Until then both may have ended at the same time.
const LATER: f64 = 1.0;

/// The placeholder that is set if the same end point accepts connects meanwhile.
const SAME_PORT: &str = "same_port";
/// The placeholder that is set if the peer answers other connections.
const ELSEWHERE: &str = "elsewhere";
/// The placeholder that is set if it does not, as far as this host sees.
const NOWHERE: &str = "nowhere";

/// Completes the findings about peers that do not answer. `now`: the time of the last poll, since the
/// first.
pub(super) fn complete(findings: &mut [Finding], groups: &Groups, now: Duration) {
    for finding in findings {
        let (Some(silence), Subject::Connections { worst, .. }) =
            (finding.rule_match.silence, &finding.subject)
        else {
            continue;
        };
        let Some((example, _)) = worst.first() else { continue };
        let rule_match = &mut finding.rule_match;
        let connected = groups.connected(example);
        if let (Some(cause), 1..) = (silence.cause_if_connected, connected) {
            rule_match.cause = Some(cause.to_owned());
            let connected = Measure::new("other_connects", connected as f64, "connections");
            rule_match.evidence.push(connected);
            rule_match.words.push((SAME_PORT, String::new()));
            continue;
        }
        let answered = groups.answered_at(example.remote_host());
        // Seconds ago.
        let answered = answered.map(|at| now.saturating_sub(at).as_secs_f64());
        let answered = answered.filter(|ago| ago + LATER < silence.seconds);
        let word = match answered {
            Some(ago) => {
                rule_match.cause = Some(silence.cause_if_up.to_owned());
                let ago = Measure::new("answered_elsewhere_ago", ago, "s");
                rule_match.evidence.push(ago);
                ELSEWHERE
            }
            None => NOWHERE,
        };
        rule_match.words.push((word, String::new()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::connection_history::ConnectionHistory;
    use crate::diagnosis::finding::Example;
    use crate::diagnosis::rule::{Confidence, Severity};
    use crate::diagnosis::{RuleMatch, rule};
    use crate::model::example::{socket, tcp_info};
    use crate::model::{Role, Socket};

    /// The placeholders of a connect without an answer, beside connects to the same host: to the
    /// same port or to another one.
    fn words(port: u16) -> Vec<&'static str> {
        let silent = Example::of(&socket(), Role::Client);
        let mut other = Socket { tcp_info: Some(tcp_info(&[(136, 5), (140, 5)])), ..socket() };
        other.remote.port = port;
        let at = Duration::from_secs(1);
        let mut groups = Groups::default();
        groups.add(&ConnectionHistory::from_destroy_event(&other, Role::Client, at, 2));
        let rule_match = RuleMatch::new(Severity::Warning, Confidence::High, 1.0)
            .of_silent_peer(5.0, "up")
            .or_if_connected("open");
        let subject = Subject::Connections { count: 1, worst: vec![(silent, rule_match.clone())] };
        let rule = rule("TD153").unwrap();
        let mut findings =
            [Finding { rule, subject, rule_match, explains: Vec::new(), retrans: 0 }];
        complete(&mut findings, &groups, at);
        let [finding] = findings;
        if port == silent.remote.port {
            assert_eq!(finding.rule_match.cause.as_deref(), Some("open"));
        }
        finding.rule_match.words.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn connects_to_the_same_port_speak_against_a_firewall() {
        assert_eq!(words(socket().remote.port), [SAME_PORT]);
        assert_eq!(words(socket().remote.port + 1), [ELSEWHERE]);
    }
}
