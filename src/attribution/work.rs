//! What a socket did in an interval, with everything that attribution needs.

use super::growth::{Growth, Slot};
use super::listener_queues::ListenerQueue;
use crate::identity::ServiceId;
use crate::model::{Role, State};
use crate::tracking::{Activity, LastSeen, Sign};

/// What is known of a socket's interval besides its counters. The default assumes nothing, which is
/// always correct and widens the bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hints {
    /// State at the start of the interval; `None` if the socket was not observed then.
    pub state_before: Option<State>,
    /// Whether it was in loss recovery after a timeout (`TCP_CA_Loss`) at the start.
    pub in_loss: Option<bool>,
    /// Payload of a full segment.
    pub mss: Option<u32>,
    /// SYN-ACK repeats of its request that earlier intervals already counted
    /// ([`Requests::repeats`](super::Requests::repeats)); the child shows them again as its own.
    pub inherited: u32,
    /// The queues of a listener, if they were seen.
    pub queue: Option<ListenerQueue>,
    pub(super) signs: u8,
}

impl Hints {
    /// From the observations at both ends of the interval, where they exist.
    pub fn of(before: Option<LastSeen>, after: Option<LastSeen>) -> Self {
        let seen = || [before, after].into_iter().flatten();
        Self {
            state_before: before.map(|last_seen| last_seen.state()),
            in_loss: before.and_then(|last_seen| last_seen.in_loss()),
            // The larger one gives the least number of segments.
            mss: seen().filter_map(|last_seen| last_seen.mss()).max().map(u32::from),
            inherited: 0,
            queue: None,
            signs: seen().fold(0, |signs, last_seen| signs | last_seen.signs()),
        }
    }

    /// Whether a sign was observed.
    pub fn shows(&self, sign: Sign) -> bool {
        self.signs & sign as u8 != 0
    }
}

/// One socket's part in an interval.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// What it did.
    pub activity: Activity,
    /// Its service.
    pub service: ServiceId,
    /// Whether its owner, role and service are beyond doubt.
    pub is_certain: bool,
    /// The part it plays.
    pub role: Role,
    /// What else is known.
    pub hints: Hints,
}

impl Work {
    /// The growth, without what the socket inherited and others already counted.
    pub(super) fn growth(&self) -> Growth {
        let mut growth = Growth::of(&self.activity.delta);
        if self.activity.opened && self.hints.inherited > 0 {
            // `tcp_create_openreq_child()`: total_retrans = num_retrans, total_rto = num_timeout.
            let inherited = u64::from(self.hints.inherited);
            growth.reduce(Slot::TotalRetrans, inherited);
            growth.reduce(Slot::TotalRto, inherited);
        }
        growth
    }

    /// Whether its handshake may have been in progress in the interval, so that SYNs may have been
    /// repeated.
    pub(super) fn may_have_shaken_hands(&self) -> bool {
        self.activity.opened
            || self.activity.delta.reset
            || match self.hints.state_before {
                None => true,
                Some(before) => {
                    matches!(before, State::SynSent | State::Close | State::BoundInactive)
                }
            }
    }

    /// Whether it has only sent SYNs.
    pub(super) fn is_only_syn(&self) -> bool {
        self.activity.identity.state == State::SynSent && !self.activity.closed
    }

    /// Whether a connection began: `connect()` or a child of a listener.
    pub(super) fn began(&self) -> bool {
        let identity = &self.activity.identity;
        let connected = !matches!(
            identity.state,
            State::Listen | State::BoundInactive | State::SynRecv | State::TimeWait
        ) && identity.remote.port != 0;
        let idle = matches!(self.hints.state_before, Some(State::Close | State::BoundInactive));
        connected && (self.activity.opened || idle)
    }

    /// Whether a connection ended. Listeners, half-open connections and TIME-WAIT records end too,
    /// but are not connections.
    pub(super) fn ended(&self) -> bool {
        let state = self.activity.identity.state;
        self.activity.closed
            && !matches!(
                state,
                State::Listen | State::SynRecv | State::TimeWait | State::BoundInactive
            )
    }

    /// Whether it was opened and ended between two polls without an answer to its SYN that
    /// acknowledged it. Only clients have their SYN among the acknowledged bytes.
    pub(super) fn was_refused(&self) -> bool {
        let growth = self.growth();
        self.activity.opened
            && self.activity.identity.state == State::Close
            && self.role != Role::Server
            && growth.has(Slot::BytesAcked)
            && growth.get(Slot::BytesAcked) == 0
            && growth.get(Slot::SegsOut) > 0
    }

    /// Whether it was opened and ended between two polls, and no FIN of its own was acknowledged.
    pub(super) fn was_cut_off(&self) -> bool {
        let growth = self.growth();
        let sent = growth.get(Slot::BytesSent).saturating_sub(growth.get(Slot::BytesRetrans));
        let syn = u64::from(self.role != Role::Server);
        self.activity.opened
            && self.activity.identity.state == State::Close
            && growth.has(Slot::BytesSent)
            && growth.get(Slot::SegsOut) > 0
            && growth.get(Slot::BytesAcked) <= sent + syn
            && !self.was_refused()
    }

    /// Whether a bare FIN may have been sent in the interval.
    pub(super) fn may_have_finished(&self) -> bool {
        let closing = |state| {
            !matches!(state, State::Established | State::SynSent | State::CloseWait | State::Listen)
        };
        let now = closing(self.activity.identity.state) || self.activity.closed;
        now && !self.hints.state_before.is_some_and(closing)
    }
}
