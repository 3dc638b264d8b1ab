//! What the ledger hands out.

use super::{Delta, Identity, LastSeen};

/// What one socket did in an interval. A socket that was disconnected and used
/// anew within it may have two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activity {
    /// The kernel's name for the socket.
    pub cookie: u64,
    /// Who it is.
    pub identity: Identity,
    /// What the caller marked it with ([`Ledger::tag`](super::Ledger::tag));
    /// `None` if it did not, or has not since the socket became another kind of
    /// thing.
    pub tag: Option<u32>,
    /// What grew. Of a socket that was born in the interval everything since
    /// its birth: for a server's side this includes the SYN-ACK's retransmits,
    /// which the kernel counted when they were sent (`tcp_create_openreq_child()`
    /// inherits them), maybe an interval ago.
    pub delta: Delta,
    /// What was seen of it when it had last moved before this interval; `None`
    /// for one that was opened in it. Of a socket with two activities the
    /// second one's is what the first one ended with.
    pub before: Option<LastSeen>,
    /// What was seen of it last in this interval: in the dump, or by the kernel
    /// when it told of its death. `None` where nothing newer is known: it
    /// vanished, or was wiped.
    pub after: Option<LastSeen>,
    /// It was born in this interval, or first seen in it.
    pub opened: bool,
    /// Its account is closed, and this is the rest.
    pub closed: bool,
    /// It was there at the first look: what it did before is not in any delta.
    pub born_before_first_look: bool,
    /// The kernel zeroed its counters before it told of its death (closing with
    /// SO_LINGER 0, a failed connect(), a child that nobody accepted): what it
    /// did since it was last seen is lost.
    pub wiped: bool,
    /// Closed without the kernel telling of it: what it did since it was last
    /// seen is lost.
    pub vanished: bool,
}

/// What became of a record of the dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// It is no live socket's, or the second one of it.
    Ignored,
    /// Of a live socket that has this tag.
    Known(u32),
    /// Of a live socket that has none: it is new, or has become another kind of
    /// thing than it was.
    Untagged,
}

/// What is known of deaths in a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// Nobody listens for the kernel's destroy events (`--no-events`, or the
    /// kernel has none): a socket that is in no dump any more is closed, and its
    /// last part lost; one that lived between two polls is never seen.
    Off,
    /// Every event since the last poll was buried.
    Whole,
    /// Some were lost: what is missing in the dump now, or in the next, is taken
    /// to be closed.
    Lossy,
}

/// How a poll went, as the ledger has to know it to close it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// What is known of deaths.
    pub watch: Watch,
    /// The dump was read to its end and the kernel did not say that it was
    /// disturbed. If not, nothing is concluded from a socket's absence.
    pub whole_dump: bool,
}

/// What a poll came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// The first poll: it only sets the baseline, and hands out nothing.
    pub first: bool,
    /// Sockets that were in the dump and live.
    pub live: usize,
    /// Sockets that are in no dump any more and whose death was not told yet:
    /// the connection is over, but a program still holds the file.
    pub closing_unconfirmed: usize,
    /// Deaths whose events came at least a poll late: their sockets were missing in the last
    /// dump already.
    pub late: u64,
    /// Activities with `opened`.
    pub opened: u64,
    /// Activities with `closed`.
    pub closed: u64,
    /// Of these, without an event.
    pub vanished: u64,
    /// Of these, with zeroed counters.
    pub wiped: u64,
    /// Events left out of account: sockets whose connection had ended before the
    /// first look, those that never were connected, and second children of one
    /// request.
    pub ignored: u64,
    /// Accounts whose close is not confirmed given up because there were too many; if they are told
    /// of later, they count twice.
    pub given_up: u64,
}
