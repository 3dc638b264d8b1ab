//! What a look at a connection shows that is no count.

/// A condition at one look. How many looks showed it tells whether it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Sign {
    /// The peer's window is closed, with data waiting here.
    PeerFull,
    /// Our window is closed, or the receive buffer nearly full.
    OwnFull,
    /// The program has not read everything.
    Unread,
    /// Much is unread: half the receive buffer's memory, or 64 KiB.
    Backlog,
    /// Data in flight.
    InFlight,
    /// Data not sent yet.
    Waiting,
    /// Nothing was acknowledged since the last look, with data queued.
    Still,
    /// Nothing at all moved since the last look.
    Idle,
    /// The congestion window is used up.
    CwndFull,
    /// A stream of segments takes much longer than the path needs.
    Inflated,
    /// The retransmission timer has fired in vain.
    Timeout,
    /// Keepalive probes go unanswered.
    Probing,
    /// The last rate was the program's, not the network's.
    AppLimited,
    /// In recovery from loss.
    Recovering,
    /// A stream of segments takes somewhat longer than the path needs.
    Queued,
    /// The send buffer is full, all of it is in flight, and the congestion window has room.
    BufferFull,
}

impl Sign {
    /// How many there are.
    pub const COUNT: usize = 16;

    /// As a bit.
    pub const fn bit(self) -> u16 {
        1 << self as u8
    }
}
