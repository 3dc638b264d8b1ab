//! TD112: retransmission timeouts.

use crate::diagnosis::finding::{Measure, RuleMatch};
use crate::diagnosis::full_listener::{self, repeats_first_data};
use crate::diagnosis::limits::limits;
use crate::diagnosis::rule::{Advice, Confidence, Judge, Rule, RuleInput, RuleScope, Severity};
use crate::diagnosis::sign::Sign;
use crate::model::State;

limits! {
    least: 2.0, "events", "least number of timeouts";
    harmful: 0.01, "share", "share of the watched time that timeouts took at most, below which it is information";
    critical: 0.5, "share", "share of the watched time that timeouts took at most, from which it is critical";
    twice: 0.8, "share", "share of the retransmits that the peer had received, from which the timer fired too early";
}

/// The cause where the peer had received what was sent again.
const TOO_EARLY: &str = "The retransmission timer fired while the answers were on their way: the peer reports that it received the segments twice (DSACK). Nothing or little was lost. Round trips grew at once beyond the timer, or acknowledgements were lost.";

/// The cause where a client repeats the first data of its connection.
const FIRST_DATA: &str = "The first data of the connection was repeated by the retransmission timer. The path lost it, or the accept queue of the peer's listener is full: then it drops the end of the handshake and the data that follows until the client repeats it.";

/// The rule.
pub(crate) const RULE: Rule = Rule {
    code: "TD112",
    name: "timeouts",
    title: "retransmission timeouts",
    scope: RuleScope::Connection,
    meaning: "The connection stopped until the retransmission timer fired, at least once: neither duplicate acknowledgements nor probes could repair the losses. Each wait is as long as the timer, 200 ms at least unless a route, a setting or a program has less, and the window starts again from one segment.",
    evidence: "growth of total_rto and total_rto_time (Linux 6.7 and later); on older kernels polls with retransmits above 0. total_rto_time counts from the first timeout on: the wait for it comes on top, so that the time lost is at most total_rto_time and one timer for each timeout",
    guards: "What the peer had received was not lost: then the finding says that the timer fired too early, and TD114 explains it. Its severity follows the share of the time that was lost. Those behind a queue that the connection fills itself are TD103, those of a handshake TD153, those of a peer that is gone TD122, those of large segments only TD141, those of closing connections TD151. A full accept queue at the peer drops the first data of its clients like a path that loses: where a client repeats it, the finding says so, and names the listener where that is on this host.",
    seen_from: "the sender",
    other_side: "On the receiver data arrives after gaps as long as the timer; last_data_recv shows them.",
    advice: &[
        Advice::with_command(
            "See how long the timeouts take, and whether the peer answers at all.",
            "tcpdiag conns --remote-ip {remote_address} --columns remote,rtt,rto,total_rto,total_rto_time,backoff,lost --interval 1s",
        ),
        full_listener::ADVICE,
        Advice::new(
            "The peer's listener may be the one that drops: on the peer, see whether its accept queue is full (TD201). If not, find the hop that drops.",
        )
        .only_with("first_data"),
        Advice::new(
            "Timeouts follow losses in bursts (a link that goes down, a policer, a failover) and losses in small windows. Find the hop that drops.",
        )
        .only_with("on_the_way"),
    ],
    references: &["RFC 6298", "tcp_retransmit_timer() in net/ipv4/tcp_timer.c"],
    explained_by: &["TD103", "TD122", "TD130", "TD141", "TD151", "TD153"],
    limits: Limits::LIST,
    placeholders: &["remote_address", "full_listener", "listener_port", "first_data", "on_the_way"],
    judge: Judge::Connection(|input, limits| judge(input, &limits.timeouts)),
};

fn judge(input: &RuleInput<'_>, limits: &Limits) -> Option<RuleMatch> {
    let evidence = input.evidence;
    if !evidence.sends() && !matches!(evidence.first_state, State::Established | State::CloseWait) {
        return None;
    }
    let counted = evidence.timeouts;
    let observed = u64::from(evidence.polls_with(Sign::Timeout));
    let timeouts = counted.unwrap_or(observed);
    if (timeouts as f64) < limits.least {
        return None;
    }
    let spent = evidence.timeout_ms.map(|ms| ms as f64 / 1e3);
    // total_rto_time begins when the timer fires (tcp_update_rto_stats()).
    let waits = timeouts as f64 * evidence.least_rto_us as f64 / 1e6;
    let lost = (spent.unwrap_or(0.0) + waits).min(evidence.watched_s);
    let share = lost / evidence.watched_s.max(1.0);
    let severity = match share {
        _ if share >= limits.critical => Severity::Critical,
        _ if share >= limits.harmful => Severity::Warning,
        _ => Severity::Info,
    };
    let confidence = if counted.is_some() { Confidence::High } else { Confidence::Medium };
    let mut rule_match = RuleMatch::new(severity, confidence, timeouts as f64)
        .with(Measure::new("total_rto", timeouts as f64, "events").over(limits.least))
        .with(Measure::new("rto", evidence.rto_us as f64, "us"))
        .with(Measure::new("lost_at_most", lost, "s"));
    let doubles = evidence.dsack_dups.unwrap_or(0) as f64;
    if evidence.retrans > 0 && doubles >= limits.twice * evidence.retrans as f64 {
        rule_match.cause = Some(TOO_EARLY.to_owned());
        rule_match.explained_by = &["TD114"];
        rule_match = rule_match
            .with(Measure::new("dsack_dups", doubles, "segments"))
            .with_word("on_the_way", "");
    } else if input.full_listener.is_some() {
        rule_match = rule_match.at_full_listener(input);
    } else if repeats_first_data(evidence) {
        rule_match.cause = Some(FIRST_DATA.to_owned());
        rule_match = rule_match.with_word("first_data", "");
    } else {
        rule_match = rule_match.with_word("on_the_way", "");
    }
    Some(match spent {
        Some(spent) => rule_match.with(Measure::new("total_rto_time", spent, "s")),
        None => rule_match,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::testing::{healthy, judged, judged_at_full_listener};

    #[test]
    fn counted_by_the_kernel_or_observed_at_polls() {
        let waited = |timeouts| crate::diagnosis::Evidence {
            timeouts: Some(timeouts),
            timeout_ms: Some(1_500),
            ..healthy()
        };
        assert_eq!(judged(&RULE, waited(1)), None);
        assert_eq!(judged(&RULE, waited(3)).unwrap().severity, Severity::Warning);
        let long = crate::diagnosis::Evidence { timeout_ms: Some(7_000), ..waited(3) };
        assert_eq!(judged(&RULE, long).unwrap().severity, Severity::Critical);
        let rare = crate::diagnosis::Evidence { watched_s: 300.0, ..waited(3) };
        let rare = judged(&RULE, rare).unwrap();
        assert_eq!(rare.severity, Severity::Info);
        // 1.5 s since the timer fired, and three waits of 204 ms until it did.
        let lost = rare.evidence.iter().find(|one| one.field == "lost_at_most").unwrap();
        assert!((lost.value - 2.112).abs() < 1e-9, "{lost:?}");
        let old = crate::diagnosis::Evidence { timeouts: None, timeout_ms: None, ..healthy() };
        assert_eq!(judged(&RULE, old), None);
        let seen = judged(&RULE, old.shows(Sign::Timeout, 4)).unwrap();
        assert_eq!(seen.confidence, Confidence::Medium);
        // A path whose round trips grew beyond the timer.
        let late = |doubles| crate::diagnosis::Evidence {
            retrans: 5,
            dsack_dups: Some(doubles),
            ..waited(3)
        };
        assert_eq!(judged(&RULE, late(1)).unwrap().cause, None);
        let early = judged(&RULE, late(5)).unwrap();
        assert!(early.cause.unwrap().contains("received the segments twice"));
        assert_eq!(early.explained_by, ["TD114"]);
        // The first data of a client, and the same where its listener is on this host.
        let first = crate::diagnosis::Evidence {
            role: crate::model::Role::Client,
            bytes_acked_ever: Some(1),
            data_segs_out: 4,
            retrans: 3,
            ..waited(3)
        };
        let words = |found: &RuleMatch| -> Vec<&str> {
            found.words.iter().map(|(name, _)| *name).collect()
        };
        let remote = judged(&RULE, first).unwrap();
        assert!(remote.cause.as_ref().unwrap().contains("accept queue of the peer"));
        assert_eq!(words(&remote), ["first_data"]);
        let here = judged_at_full_listener(&RULE, first).unwrap();
        assert!(here.cause.as_ref().unwrap().contains("on this host is full"), "{here:?}");
        assert_eq!(words(&here), ["full_listener", "listener_port"]);
        let twice = crate::diagnosis::Evidence { dsack_dups: Some(3), ..first };
        let twice = judged_at_full_listener(&RULE, twice).unwrap();
        assert_eq!(twice.cause.as_deref(), Some(TOO_EARLY), "the segments arrived");
        let later = crate::diagnosis::Evidence { bytes_acked_ever: Some(9_000), ..first };
        assert_eq!(words(&judged(&RULE, later).unwrap()), ["on_the_way"]);
        // A repeated handshake.
        let connecting = crate::diagnosis::Evidence {
            state: State::SynSent,
            first_state: State::SynSent,
            ..waited(3)
        };
        assert_eq!(judged(&RULE, connecting), None);
    }
}
