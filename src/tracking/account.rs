//! What the ledger keeps of a socket.

use super::accounts::Holder;
use super::counters::{Counters, Shape};
use super::identity::Compact;
use super::last_seen::LastSeen;
use crate::model::{Socket, State};

/// No record of the interval.
pub(super) const NONE: u32 = u32::MAX;

/// In no dump, no event yet.
pub(super) const CLOSING_UNCONFIRMED: u8 = 1;
/// Handed out as closed without an event; one may still come.
pub(super) const VANISHED: u8 = 1 << 1;
/// The event has come.
pub(super) const DESTROYED: u8 = 1 << 2;
/// There at the first look.
pub(super) const BASELINE: u8 = 1 << 3;
/// To be handed out as opened.
pub(super) const OPENED: u8 = 1 << 4;
/// To be handed out as closed.
pub(super) const CLOSED: u8 = 1 << 5;
/// The event's counters were zeroed.
pub(super) const WIPED: u8 = 1 << 6;
/// Only the TIME-WAIT or FIN-WAIT-2 record is left: the socket is dead.
pub(super) const MINISOCK: u8 = 1 << 7;

/// 188 bytes: nothing in it is aligned to eight.
#[derive(Debug)]
pub(super) struct Account {
    /// The lower and the upper half.
    cookie: [u32; 2],
    /// As of the end of the last poll.
    pub(super) counters: Counters,
    /// As of the last movement that a poll ended with.
    pub(super) last_seen: LastSeen,
    pub(super) identity: Compact,
    /// This interval's record, if it has one.
    pub(super) record: u32,
    pub(super) shape: Shape,
    /// Poll in which it was last in the dump, modulo 256.
    pub(super) seen: u8,
    pub(super) flags: u8,
    /// As of its last snapshot, this poll's included.
    pub(super) state: State,
}

impl Account {
    /// Of a socket that began from zero.
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

impl Holder for Account {
    #[inline]
    fn cookie(&self) -> u64 {
        let [low, high] = self.cookie;
        u64::from(high) << 32 | u64::from(low)
    }
}

/// What a socket is now, where that differs from its account: 152 bytes.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) slot: u32,
    pub(super) counters: Counters,
    pub(super) shape: Shape,
    /// `None` where nothing newer is known than what the account has.
    pub(super) last_seen: Option<LastSeen>,
}
