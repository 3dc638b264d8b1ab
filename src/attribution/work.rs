//! What a socket did in an interval, with everything attribution needs to know of it.

use super::growth::{Growth, Slot};
use super::services::ServiceId;
use crate::model::{Role, State};
use crate::tracking::{Activity, LastSeen, Sign};

/// What is known of a socket's interval beyond its counters. The default claims nothing, which
/// is always right and makes bounds wider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hints {
    /// State at the start of the interval; `None` for a socket that was not seen then.
    pub state_before: Option<State>,
    /// Whether it was in loss recovery after a timeout (`TCP_CA_Loss`) at the start.
    pub in_loss: Option<bool>,
    /// Payload of a full segment.
    pub mss: Option<u32>,
    /// SYN-ACK repeats of its request that earlier intervals have accounted for
    /// ([`Requests::repeats`](super::Requests::repeats)): the child shows them again as its own.
    pub inherited: u32,
    pub(super) signs: u8,
}

impl Hints {
    /// From what was seen at both ends of the interval, as far as anything was.
    pub fn of(before: Option<LastSeen>, after: Option<LastSeen>) -> Self {
        let seen = || [before, after].into_iter().flatten();
        Self {
            state_before: before.map(|last_seen| last_seen.state()),
            in_loss: before.and_then(|last_seen| last_seen.in_loss()),
            // The larger one: from it follows how many segments there were at least.
            mss: seen().filter_map(|last_seen| last_seen.mss()).max().map(u32::from),
            inherited: 0,
            signs: seen().fold(0, |signs, last_seen| signs | last_seen.signs()),
        }
    }

    /// Whether a sign was seen.
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
    /// The part it plays.
    pub role: Role,
    /// What else is known.
    pub hints: Hints,
}

impl Work {
    /// The growth, without what the socket was born with and others have accounted for.
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

    /// Whether its handshake may have been under way in the interval, so that SYNs may have
    /// been repeated.
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

    /// Whether all it ever sent is its SYN.
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

    /// Whether a connection ended. Listeners, half-open connections and leftovers end too, but no
    /// connection does with them.
    pub(super) fn ended(&self) -> bool {
        let state = self.activity.identity.state;
        self.activity.closed
            && !matches!(
                state,
                State::Listen | State::SynRecv | State::TimeWait | State::BoundInactive
            )
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
