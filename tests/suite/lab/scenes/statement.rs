//! What can be said of a connection, and which rules say it.

use Statement as S;

/// A statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Statement {
    /// Data that this side sends gets lost on the path.
    Loss,
    /// A queue on the path overflows with what this side sends.
    Congestion,
    /// Ends of bursts get lost.
    TailLoss,
    /// Repairs wait for the retransmission timer.
    Timeouts,
    /// Retransmissions get lost.
    LostAgain,
    /// Segments that had arrived are sent again.
    Unneeded,
    /// Segments overtake each other.
    Reordered,
    /// The path copies segments.
    Duplicated,
    /// What arrives here has gaps.
    Gaps,
    /// Packets wait in a queue for a multiple of the round trip.
    Queue,
    /// The receiver's window limits this sender.
    PeerWindow,
    /// The receiver's window is closed.
    WindowClosed,
    /// This side's receive buffer limits its peer.
    OwnBuffer,
    /// The program here reads too slowly.
    SlowReader,
    /// The program here does not read.
    NotReading,
    /// The send buffer limits this sender.
    SendBuffer,
    /// The program that writes limits the rate.
    Program,
    /// Segments are small.
    SmallSegments,
    /// Large segments do not arrive.
    BlackHole,
    /// Nothing comes back for seconds.
    Stalled,
    /// Small writes wait for delayed acknowledgements.
    Nagle,
    /// Connections cannot be made.
    ConnectFails,
    /// SYNs get no answer.
    NoAnswer,
    /// Connections are reset.
    Resets,
    /// Connections are closed with data unread.
    Unread,
    /// Connections find the accept queue full.
    AcceptQueue,
    /// Many short connections.
    Churn,
    /// This host's device drops packets.
    DeviceDrops,
    /// Segments that arrive here are damaged.
    BadSegments,
    /// The host's counters are unhealthy.
    Counters,
}

impl Statement {
    /// All of them, in the order of the documentation.
    pub const ALL: &[Self] = &[
        S::Loss,
        S::Congestion,
        S::TailLoss,
        S::Timeouts,
        S::LostAgain,
        S::Unneeded,
        S::Reordered,
        S::Duplicated,
        S::Gaps,
        S::Queue,
        S::PeerWindow,
        S::WindowClosed,
        S::OwnBuffer,
        S::SlowReader,
        S::NotReading,
        S::SendBuffer,
        S::Program,
        S::SmallSegments,
        S::BlackHole,
        S::Stalled,
        S::Nagle,
        S::ConnectFails,
        S::NoAnswer,
        S::Resets,
        S::Unread,
        S::AcceptQueue,
        S::Churn,
        S::DeviceDrops,
        S::BadSegments,
        S::Counters,
    ];

    /// In words, of the end where it is said.
    pub fn text(self) -> &'static str {
        match self {
            S::Loss => "what it sends is lost on the path",
            S::Congestion => "what it sends fills the path",
            S::TailLoss => "ends of its bursts are lost",
            S::Timeouts => "repairs wait for the timer",
            S::LostAgain => "retransmissions are lost",
            S::Unneeded => "retransmissions are unnecessary",
            S::Reordered => "its segments overtake each other",
            S::Duplicated => "its segments arrive twice",
            S::Gaps => "what it receives has gaps",
            S::Queue => "a queue multiplies its round trips",
            S::PeerWindow => "the peer's window limits it",
            S::WindowClosed => "the peer's window is closed",
            S::OwnBuffer => "its receive buffer limits the peer",
            S::SlowReader => "its program reads slowly",
            S::NotReading => "its program does not read",
            S::SendBuffer => "its send buffer limits it",
            S::Program => "its program limits it",
            S::SmallSegments => "its segments are small",
            S::BlackHole => "its large segments vanish",
            S::Stalled => "nothing comes back for seconds",
            S::Nagle => "small writes wait for delayed acknowledgements",
            S::ConnectFails => "its connection attempts fail",
            S::NoAnswer => "its SYNs get no answer",
            S::Resets => "connections are reset",
            S::Unread => "its program closes with data unread",
            S::AcceptQueue => "its accept queue is full",
            S::Churn => "many short connections",
            S::DeviceDrops => "its device drops packets",
            S::BadSegments => "what it receives is damaged",
            S::Counters => "its counters are unhealthy",
        }
    }

    /// The codes that state it: one of them is right exactly if one of its statements is true.
    pub fn codes(self) -> &'static [&'static str] {
        match self {
            S::Loss => &["TD110", "TD302", "TD307"],
            S::Congestion => &["TD103"],
            S::TailLoss => &["TD111"],
            S::Timeouts => &["TD112", "TD121"],
            S::LostAgain => &["TD113"],
            S::Unneeded => &["TD114", "TD302"],
            S::Reordered => &["TD115"],
            S::Duplicated => &["TD116"],
            S::Gaps => &["TD117", "TD310"],
            S::Queue => &["TD120", "TD303"],
            S::PeerWindow => &["TD101"],
            S::WindowClosed => &["TD130"],
            S::OwnBuffer => &["TD134"],
            S::SlowReader => &["TD132"],
            S::NotReading => &["TD131", "TD132"],
            S::SendBuffer => &["TD102", "TD160"],
            S::Program => &["TD104", "TD105"],
            S::SmallSegments => &["TD140", "TD141"],
            S::BlackHole => &["TD141", "TD122"],
            S::Stalled => &["TD122"],
            S::Nagle => &["TD118"],
            S::ConnectFails => &["TD308"],
            S::NoAnswer => &["TD153"],
            S::Resets => &["TD309"],
            S::Unread => &["TD133"],
            S::AcceptQueue => &["TD201", "TD203", "TD205", "TD202"],
            S::Churn => &["TD304"],
            S::DeviceDrops => &["TD406"],
            // Counters tell, which ratios stand for.
            S::BadSegments => &[],
            S::Counters => &["TD401"],
        }
    }

    /// The codes of which one meets the demand for it: some say the same in other words.
    pub fn answers(self) -> &'static [&'static str] {
        match self {
            S::Loss => &["TD110", "TD302", "TD307", "TD103", "TD111", "TD112", "TD113"],
            S::Unneeded => &["TD114", "TD115", "TD116"],
            S::Queue => &["TD120", "TD303", "TD103"],
            S::PeerWindow => &["TD101", "TD130"],
            S::AcceptQueue => &["TD201", "TD203"],
            S::NoAnswer => &["TD153", "TD308"],
            S::Unread => &["TD133", "TD309"],
            S::SlowReader => &["TD132", "TD131"],
            other => other.codes(),
        }
    }

    /// The statement that a code makes first, for the table.
    pub fn of(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|statement| statement.codes().contains(&code))
    }
}
