//! What a socket did in an interval, with everything attribution needs to know of it.

use super::growth::{Growth, Slot};
use super::services::ServiceId;
use crate::model::{Role, Socket, State, fields, fields::tcp_info as t};
use crate::sample::Activity;

/// Something seen on a socket that says what it may have been through. Levels and states, not
/// counts: none of it is proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Sign {
    /// It advertises a window of 0, or its receive buffer is nearly full.
    ReceiverFull = 1,
    /// Its peer advertises a window of 0.
    PeerFull = 2,
    /// It has bytes the program did not send yet.
    Unsent = 4,
    /// It was running its timer in vain: retransmissions, probes or keepalives.
    GivingUp = 8,
    /// The program has not read everything.
    Unread = 16,
    /// It does not use SACK.
    NoSack = 32,
    /// Its slow start has ended.
    SlowStartOver = 64,
    /// Much of its data lies in a queueing discipline or driver.
    HostQueue = 128,
}

/// What a snapshot tells beyond counters, in a few bytes: kept by cookie, for the next interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glimpse {
    state: State,
    /// In loss recovery after a timeout; `None` where that is not told.
    in_loss: Option<bool>,
    mss: u16,
    signs: u16,
}

impl Glimpse {
    /// Looks at a socket.
    pub fn of(socket: &Socket) -> Self {
        let read = |field: &fields::Field| field.integer(socket);
        let word = |index| socket.skmem.and_then(|skmem| skmem.word(index)).map(u64::from);
        // Nearly full for practical purposes: what comes next is pruned or dropped.
        let full = word(0).zip(word(1)).is_some_and(|(used, size)| used * 4 > size * 3);
        let probing = socket.timer.is_some_and(|timer| timer.retransmits > 0);
        let shown = [
            (read(&t::RCV_WND) == Some(0) || full, Sign::ReceiverFull),
            (read(&t::SND_WND) == Some(0), Sign::PeerFull),
            (read(&t::NOTSENT_BYTES).is_some_and(|bytes| bytes > 0), Sign::Unsent),
            (probing || read(&t::BACKOFF).is_some_and(|backoff| backoff > 0), Sign::GivingUp),
            (socket.state != State::Listen && socket.receive_queue > 0, Sign::Unread),
            (read(&t::OPTIONS).is_some_and(|options| options & OPTION_SACK == 0), Sign::NoSack),
            (read(&t::SND_SSTHRESH).is_some(), Sign::SlowStartOver),
            (word(2).is_some_and(|bytes| bytes > MUCH), Sign::HostQueue),
        ];
        let signs = shown.into_iter().filter(|(shown, _)| *shown);
        Self {
            state: socket.state,
            in_loss: read(&t::CA_STATE).map(|state| state == CA_LOSS),
            mss: read(&t::SND_MSS).and_then(|mss| u16::try_from(mss).ok()).unwrap_or(0),
            signs: signs.fold(0, |signs, (_, sign)| signs | sign as u16),
        }
    }
}

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
    pub(super) signs: u16,
}

impl Hints {
    /// From what was seen at both ends of the interval, as far as anything was.
    pub fn of(before: Option<Glimpse>, after: Option<Glimpse>) -> Self {
        let seen = || [before, after].into_iter().flatten();
        Self {
            state_before: before.map(|glimpse| glimpse.state),
            in_loss: before.and_then(|glimpse| glimpse.in_loss),
            // The larger one: from it follows how many segments there were at least.
            mss: seen().map(|glimpse| glimpse.mss).filter(|mss| *mss > 0).max().map(u32::from),
            inherited: 0,
            signs: seen().fold(0, |signs, glimpse| signs | glimpse.signs),
        }
    }

    /// Whether a sign was seen.
    pub fn shows(&self, sign: Sign) -> bool {
        self.signs & sign as u16 != 0
    }
}

/// `TCPI_OPT_SACK`.
const OPTION_SACK: u64 = 2;

/// More than TCP small queues leave below the socket for long (`tcp_small_queue_check()`).
const MUCH: u64 = 64 << 10;

/// `TCP_CA_Loss` (include/uapi/linux/tcp.h).
const CA_LOSS: u64 = 4;

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

    /// Whether a bare FIN may have been sent in the interval.
    pub(super) fn may_have_finished(&self) -> bool {
        let closing = |state| {
            !matches!(state, State::Established | State::SynSent | State::CloseWait | State::Listen)
        };
        let now = closing(self.activity.identity.state) || self.activity.closed;
        now && !self.hints.state_before.is_some_and(closing)
    }
}
