//! Reasons for unattributed growth.

/// Why part of a counter's growth is attributed to no service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// Destroy events were lost.
    EventsLost,
    /// Destroy events were not received: sockets that lived between two polls were not observed.
    NotNotified,
    /// Counters and sockets were not read at the same moment.
    Skew,
    /// SYN-ACKs are sent by half-open connections, which are not sockets.
    SynAcks,
    /// SYN-ACK repeats of half-open connections that ended or are not complete yet.
    HalfOpen,
    /// TIME-WAIT records of closed connections answer without a socket.
    TimeWait,
    /// Resets in answer to segments that belong to no socket.
    NoSocket,
    /// The last timeout, at which a connection is given up, is not in `total_rto`.
    GivenUp,
    /// `tcp_disconnect()` cleared a socket's counters before they were read.
    Cleared,
    /// Connections that are over but held open by their program: invisible until it closes them.
    ClosingUnconfirmed,
    /// No field of a socket moves with this counter.
    NoField,
    /// This kernel is too old to have the field.
    OldKernel,
    /// No socket showed a sign of having caused it.
    NoSign,
    /// The counter includes headers and other protocols.
    OtherProtocols,
    /// Half-open connections and children that the listener discarded.
    NotAccepted,
    /// The catalogue does not know the counter.
    UnknownCounter,
    /// Duplicate reports by the peer that the kernel ignored as dubious.
    Dubious,
}

impl Reason {
    /// The word used in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Self::EventsLost => "events_lost",
            Self::NotNotified => "not_notified",
            Self::Skew => "skew",
            Self::SynAcks => "syn_acks",
            Self::HalfOpen => "half_open",
            Self::TimeWait => "time_wait",
            Self::NoSocket => "no_socket",
            Self::GivenUp => "given_up",
            Self::Cleared => "cleared",
            Self::ClosingUnconfirmed => "limbo",
            Self::NoField => "no_field",
            Self::OldKernel => "old_kernel",
            Self::NoSign => "no_sign",
            Self::OtherProtocols => "other_protocols",
            Self::NotAccepted => "not_accepted",
            Self::UnknownCounter => "unknown_counter",
            Self::Dubious => "dubious",
        }
    }

    /// The meaning, for output.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::EventsLost => "notifications of closed connections were lost",
            Self::NotNotified => "connections that lived between two polls were not seen",
            Self::Skew => "the counter moved while sockets were read",
            Self::SynAcks => "SYN-ACKs are sent by half-open connections, which are no sockets",
            Self::HalfOpen => "SYN-ACKs repeated for connections that did not complete (yet)",
            Self::TimeWait => "closed connections answer without a socket",
            Self::NoSocket => "resets and segments that belong to no socket",
            Self::GivenUp => {
                "the timeout at which a connection is given up is not counted per connection"
            }
            Self::Cleared => "a socket's counters were cleared before they could be read",
            Self::ClosingUnconfirmed => {
                "connections that are over but still held open cannot be seen"
            }
            Self::NoField => "no figure of a socket moves with this counter",
            Self::OldKernel => "this kernel does not count it per socket",
            Self::NoSign => "no connection showed a sign of it",
            Self::OtherProtocols => "headers and other protocols count here too",
            Self::NotAccepted => "connections that no listener kept",
            Self::UnknownCounter => "a counter newer than this program",
            Self::Dubious => "duplicate reports that the kernel did not believe",
        }
    }
}
