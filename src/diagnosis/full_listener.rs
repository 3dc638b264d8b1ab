//! Clients whose listener has no room: it drops their SYNs, or the end of their handshakes and the
//! data that follows (`tcp_v4_syn_recv_sock()`), so that nothing is lost on the path.

use std::net::SocketAddr;

use super::evidence::Evidence;
use super::finding::{Example, RuleMatch};
use super::listening::ListenerHistory;
use super::rule::{Advice, RuleInput};
use super::watch::Diagnosis;
use crate::model::{Endpoint, Role, State};

/// The placeholder for a listener on this host whose accept queue was full.
pub(super) const FULL: &str = "full_listener";

/// What the other side can observe.
const OTHER_SIDE: &str = "The other end is on this host: TD201 is about its listener.";

/// What to do about it.
pub(super) const ADVICE: Advice = Advice::with_command(
    "Nothing is lost on the way: the listener {full_listener} is on this host, and its accept queue is full (TD201). Look there.",
    "tcpdiag listeners --port {listener_port} --processes",
)
.only_with(FULL);

impl Diagnosis {
    /// The listener that holds a connection up, if it is on this host and its accept queue was full.
    pub(super) fn full_listener(
        &self,
        example: &Example,
        evidence: &Evidence,
    ) -> Option<&ListenerHistory> {
        if !may_wait_for_listener(evidence) {
            return None;
        }
        let [own, address] = [example.local, example.remote].map(|end| end.address.to_canonical());
        if !address.is_loopback() && address != own {
            return None;
        }
        let end = Endpoint { address, port: example.remote.port };
        let group = self.listening.find_request(end, 0)?;
        let mut listeners = group.cookies.iter().filter_map(|cookie| self.listeners.get(cookie));
        listeners.find(|listener| listener.full_polls > 0)
    }
}

impl RuleMatch {
    /// Names the listener on this host that drops what a client sends, if there is one.
    #[must_use]
    pub(super) fn at_full_listener(mut self, input: &RuleInput<'_>) -> Self {
        let Some(listener) = input.full_listener.filter(|_| self.cause.is_none()) else {
            return self;
        };
        let Endpoint { address, port } = listener.example.local;
        let end = SocketAddr::new(address, port);
        self.cause = Some(format!(
            "The accept queue of the listener {end} on this host is full: it drops the SYNs of its clients, or the end of their handshakes and the data that follows. Nothing is lost on the way."
        ));
        // It answers others: that is not remarkable.
        self.silence = None;
        self.other_side = Some(OTHER_SIDE);
        self.with_word(FULL, end.to_string()).with_word("listener_port", port.to_string())
    }
}

/// Whether the peer may still have the handshake in its queue. Once it has acknowledged data, it has
/// completed the handshake, and its accept queue does not matter any more.
fn may_wait_for_listener(evidence: &Evidence) -> bool {
    // The SYN counts as a byte.
    let nothing_arrived = evidence.bytes_acked_ever.is_some_and(|bytes| bytes <= 1);
    evidence.state == State::SynSent || evidence.role == Role::Client && nothing_arrived
}

/// Whether a client repeats the first data of its connection: a full accept queue at the peer drops
/// it, like a path does.
pub(super) fn repeats_first_data(evidence: &Evidence) -> bool {
    evidence.data_segs_out > 0 && may_wait_for_listener(evidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::rule::{Confidence, Severity};
    use crate::diagnosis::testing::{context, healthy, listening};

    #[test]
    fn only_connections_without_acknowledged_data_wait_for_a_listener() {
        let client = |state, bytes_acked_ever| {
            let role = Role::Client;
            Evidence { role, state, bytes_acked_ever, opened_while_watched: true, ..healthy() }
        };
        for (state, bytes, waits) in [
            (State::SynSent, Some(0), true),
            (State::SynSent, None, true),
            (State::Established, Some(1), true),
            (State::Established, Some(2), false),
            (State::Established, Some(9_000), false),
            // Not told is not 0.
            (State::Established, None, false),
        ] {
            assert_eq!(may_wait_for_listener(&client(state, bytes)), waits, "{state:?} {bytes:?}");
        }
        let server = Evidence { role: Role::Server, ..client(State::Established, Some(0)) };
        assert!(!may_wait_for_listener(&server));
        let silent = Evidence { data_segs_out: 0, ..client(State::Established, Some(1)) };
        assert!(!repeats_first_data(&silent));
    }

    #[test]
    fn a_cause_that_is_known_stays() {
        let (evidence, listener, context) = (healthy(), listening(3, 3, 2), context());
        let full_listener = Some(&listener);
        let input =
            RuleInput { evidence: &evidence, peer_takes: 0, full_listener, context: &context };
        let unknown = RuleMatch::new(Severity::Warning, Confidence::High, 1.0);
        let known = RuleMatch { cause: Some("known".to_owned()), ..unknown.clone() };
        assert_eq!(known.clone().at_full_listener(&input), known);
        let found = unknown.at_full_listener(&input);
        assert_eq!(found.other_side, Some(OTHER_SIDE));
        assert!(found.cause.unwrap().contains("on this host is full"));
        assert!(found.words.iter().any(|(name, _)| *name == FULL));
    }
}
