//! Clients whose listener has no room: it drops their SYNs, or the end of their handshakes and the
//! data that follows (`tcp_v4_syn_recv_sock()`), so that nothing is lost on the path.

use std::net::SocketAddr;

use super::evidence::Evidence;
use super::finding::{Example, RuleMatch};
use super::listening::ListenerHistory;
use super::rule::{Advice, RuleInput};
use super::watch::Diagnosis;
use crate::model::{Endpoint, Role};

/// The placeholder for a listener on this host whose accept queue was full.
pub(super) const FULL: &str = "full_listener";

/// What to do about it.
pub(super) const ADVICE: Advice = Advice::with_command(
    "Nothing is lost on the way: the listener {full_listener} is on this host, and its accept queue is full (TD201). Look there.",
    "tcpdiag listeners --port {listener_port} --processes",
)
.only_with(FULL);

/// Segments that a new connection may send at once (RFC 6928).
const INITIAL_WINDOW: u64 = 10;

impl Diagnosis {
    /// The listener that a connection is to, if it is on this host and its accept queue was full.
    pub(super) fn full_listener(&self, example: &Example) -> Option<&ListenerHistory> {
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
        let Some(listener) = input.full_listener else { return self };
        let Endpoint { address, port } = listener.example.local;
        let end = SocketAddr::new(address, port);
        self.cause = Some(format!(
            "The accept queue of the listener {end} on this host is full: it drops the SYNs of its clients, or the end of their handshakes and the data that follows. Nothing is lost on the way."
        ));
        // It answers others: that is not remarkable.
        self.silence = None;
        self.with_word(FULL, end.to_string()).with_word("listener_port", port.to_string())
    }
}

/// Whether a client repeats the first data of its connection: a full accept queue at the peer drops
/// it, like a path does.
pub(super) fn repeats_first_data(evidence: &Evidence) -> bool {
    // The SYN counts as a byte.
    let nothing_arrived = evidence.bytes_acked_ever.is_some_and(|bytes| bytes <= 1);
    let sent_once = evidence.data_segs_out.saturating_sub(evidence.retrans);
    let is_new = evidence.opened_while_watched && sent_once <= INITIAL_WINDOW;
    evidence.role == Role::Client && evidence.data_segs_out > 0 && (nothing_arrived || is_new)
}
