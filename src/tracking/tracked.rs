//! What the tracker keeps of a socket.

use super::counters::{Counters, Shape};
use super::identity::Compact;
use super::last_seen::LastSeen;
use super::table::HasCookie;
use crate::model::{Socket, State};

/// The socket has no record in this interval.
pub(super) const NONE: u32 = u32::MAX;

/// The socket is in no dump any more, and its event has not come.
pub(super) const CLOSING_UNCONFIRMED: u8 = 1;
/// Reported as closed without an event; one may still come.
pub(super) const VANISHED: u8 = 1 << 1;
/// The event has come.
pub(super) const DESTROYED: u8 = 1 << 2;
/// The socket was in the first dump.
pub(super) const BASELINE: u8 = 1 << 3;
/// To be reported as opened.
pub(super) const OPENED: u8 = 1 << 4;
/// To be reported as closed.
pub(super) const CLOSED: u8 = 1 << 5;
/// The counters of the event were zeroed.
pub(super) const WIPED: u8 = 1 << 6;
/// Only a TIME-WAIT or FIN-WAIT-2 record is left of the socket.
pub(super) const MINISOCK: u8 = 1 << 7;

/// One socket: 188 bytes, since no field is aligned to eight.
#[derive(Debug)]
pub(super) struct TrackedSocket {
    /// The lower and the upper half.
    cookie: [u32; 2],
    /// As of the end of the last poll.
    pub(super) counters: Counters,
    /// As of the end of the last poll in which a counter moved.
    pub(super) last_seen: LastSeen,
    pub(super) identity: Compact,
    /// The record of this interval, or [`NONE`].
    pub(super) record: u32,
    pub(super) shape: Shape,
    /// The last poll whose dump had the socket, modulo 256.
    pub(super) seen: u8,
    pub(super) flags: u8,
    /// As of the last dump, that of this poll included.
    pub(super) state: State,
}

impl TrackedSocket {
    /// A socket whose counters started at zero.
    #[inline]
    pub(super) fn new(
        socket: &Socket,
        identity: Compact,
        shape: Shape,
        seen: u8,
        flags: u8,
    ) -> Self {
        Self {
            cookie: [socket.cookie as u32, (socket.cookie >> 32) as u32],
            counters: Counters::ZERO,
            last_seen: LastSeen::of(socket),
            identity,
            record: NONE,
            shape,
            seen,
            flags,
            state: socket.state,
        }
    }

    pub(super) fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn set(&mut self, flags: u8) {
        self.flags |= flags;
    }

    pub(super) fn clear(&mut self, flags: u8) {
        self.flags &= !flags;
    }
}

impl HasCookie for TrackedSocket {
    #[inline]
    fn cookie(&self) -> u64 {
        let [low, high] = self.cookie;
        u64::from(high) << 32 | u64::from(low)
    }
}

/// The new values of a socket that moved in this interval: 152 bytes.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) slot: u32,
    pub(super) counters: Counters,
    pub(super) shape: Shape,
    /// `None` where nothing newer is known than what the tracked socket has.
    pub(super) last_seen: Option<LastSeen>,
}
