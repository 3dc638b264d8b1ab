//! Conditions of a connection that are not counters.

/// A condition at one poll. The number of polls that showed it says whether it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Sign {
    /// The peer's window is closed, with data queued here.
    PeerWindowClosed,
    /// The own window is closed, or the receive buffer is nearly full.
    OwnWindowClosed,
    /// The program has not read everything.
    Unread,
    /// Much is unread: half the receive buffer's memory, or 64 KiB.
    MuchUnread,
    /// Data is in flight.
    InFlight,
    /// Data is not sent yet.
    Unsent,
    /// Nothing was acknowledged since the last poll, with data queued.
    NoProgress,
    /// Nothing changed since the last poll.
    Idle,
    /// The congestion window is used up.
    CwndFull,
    /// A stream of segments takes much longer than the path needs.
    Inflated,
    /// The retransmission timer has fired and nothing was acknowledged since.
    Timeout,
    /// Keepalive probes are unanswered.
    Probing,
    /// The program limited the last delivery rate, not the network.
    AppLimited,
    /// In recovery from loss.
    Recovering,
    /// A stream of segments takes somewhat longer than the path needs.
    Queued,
    /// The send buffer is full, all of it is in flight, the congestion window allows more, and no loss
    /// is being repaired.
    SendBufferFull,
    /// Less than a segment waits for the acknowledgement of less than a segment, and nothing else
    /// holds it back.
    SmallHeld,
}

impl Sign {
    /// The number of signs.
    pub const COUNT: usize = 17;

    /// As a bit.
    pub const fn bit(self) -> u32 {
        1 << self as u8
    }
}
