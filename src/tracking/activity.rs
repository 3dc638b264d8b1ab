//! What the tracker reports.

use super::{Delta, Identity, LastSeen};

/// What one socket did in an interval. A socket that was disconnected and connected again within it
/// may have two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activity {
    /// The kernel's identifier of the socket.
    pub cookie: u64,
    /// Addresses and owner.
    pub identity: Identity,
    /// The caller's tag ([`SocketTracker::tag`](super::SocketTracker::tag)); `None` if there is
    /// none, or if the socket was reused since for another peer or as a listener.
    pub tag: Option<u32>,
    /// The growth of the counters. For a socket that was opened in the interval, everything since
    /// it was created. On the server's side this includes the retransmits of the SYN-ACK, which the
    /// kernel counted when they were sent, maybe an interval ago (`tcp_create_openreq_child()`
    /// inherits them).
    pub delta: Delta,
    /// What was seen when the socket last moved before this interval; `None` for one that was
    /// opened in it. In the second activity of a socket, what the first one ended with.
    pub before: Option<LastSeen>,
    /// What was seen last in this interval, in the dump or in the destroy event. `None` where
    /// nothing newer is known: the socket vanished, or was wiped.
    pub after: Option<LastSeen>,
    /// It was created, or first seen, in this interval.
    pub opened: bool,
    /// This is the last activity of the socket.
    pub closed: bool,
    /// It was in the first dump: what it did before that is in no delta.
    pub in_baseline: bool,
    /// The kernel zeroed its counters before it sent the destroy event (closing with SO_LINGER 0, a
    /// failed connect(), a child that was not accepted). What it did since it was last seen is lost.
    pub wiped: bool,
    /// It was closed without a destroy event. What it did since it was last seen is lost.
    pub vanished: bool,
}

/// What the tracker made of a record of the dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// The record is of no live socket, or is the second one of a socket.
    Ignored,
    /// A live socket with this tag.
    Known(u32),
    /// A live socket without a tag: it is new, or was reused.
    Untagged,
}

/// How complete the destroy events of a poll are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// There are none (`--no-events`, or a kernel that has none). A socket that is in no dump any
    /// more is closed and its last part lost; one that lived between two polls is never seen.
    Off,
    /// Every event since the last poll was passed to the tracker.
    Whole,
    /// Some were lost. A socket that is missing in this dump, or in the next, is taken to be closed.
    Lossy,
}

/// What the tracker has to know of a poll to end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// How complete the destroy events are.
    pub watch: Watch,
    /// The dump was read to its end and the kernel did not report that it was interrupted. If not,
    /// nothing is concluded from a socket's absence.
    pub whole_dump: bool,
}

/// Counts of a poll.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// This is the first poll: it only sets the baseline, and reports no activity.
    pub first: bool,
    /// Live sockets in the dump.
    pub live: usize,
    /// Sockets that are in no dump any more and that have no destroy event yet: the connection is
    /// over, but a program still holds the file.
    pub closing_unconfirmed: usize,
    /// Destroy events that came at least a poll late: the socket was missing in the last dump
    /// already.
    pub late: u64,
    /// Activities with `opened`.
    pub opened: u64,
    /// Activities with `closed`.
    pub closed: u64,
    /// Those of `closed` that have no event.
    pub vanished: u64,
    /// Those of `closed` with zeroed counters.
    pub wiped: u64,
    /// Events that count for no socket: connections that had ended before the first poll, sockets
    /// that were never connected, and second children of one request.
    pub ignored: u64,
    /// Sockets waiting for their event that were dropped because there were too many. If their
    /// events come, they count twice.
    pub given_up: u64,
}
