//! Whether a peer that does not answer on one connection answers others: then the host is up, and
//! something concerns that connection alone.

use std::time::Duration;

use super::finding::{Finding, Measure, Subject};
use super::groups::Groups;

/// Seconds by which an answer on another connection has to be later than the last one on the silent
/// connection. Until then both may have ended at the same time.
const LATER: f64 = 1.0;

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
        let host = worst.first().map(|(example, _)| example.remote_host());
        let answered = host.and_then(|host| groups.answered_at(host));
        // Seconds ago.
        let answered = answered.map(|at| now.saturating_sub(at).as_secs_f64());
        let answered = answered.filter(|ago| ago + LATER < silence.seconds);
        let rule_match = &mut finding.rule_match;
        let word = match answered {
            Some(ago) => {
                rule_match.cause = Some(silence.cause_if_up.to_owned());
                rule_match.evidence.push(Measure::new("answered_elsewhere", ago, "s"));
                ELSEWHERE
            }
            None => NOWHERE,
        };
        rule_match.words.push((word, String::new()));
    }
}
