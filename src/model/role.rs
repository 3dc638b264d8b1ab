//! The role of a socket in its connection.

/// The role of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// It was accepted by a listener on this host.
    Server,
    /// It was opened by this host.
    Client,
    /// It accepts connections.
    Listener,
    /// The role is not known.
    Unknown,
}

impl Role {
    /// The name used in JSON and in filters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Listener => "listener",
            Self::Unknown => "unknown",
        }
    }
}

/// The evidence for a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RoleBasis {
    /// The socket listens.
    Listening,
    /// A listener has the same port and the same address.
    ListenerOnAddress,
    /// A listener has the same port on the wildcard address.
    ListenerOnWildcard,
    /// No listener has the local port.
    NoListener,
    /// SYN-SENT is a client's state.
    SynSent,
    /// SYN-RECV is a server's state.
    SynRecv,
    /// The socket is not connected.
    NotConnected,
    /// The listeners could not be read.
    ListenersUnknown,
    /// `tcp_info` shows which end sent the SYN: at that end the SYN counts in `tcpi_bytes_acked`.
    TcpInfo,
    /// One of the ports is a server's: the other is of the ephemeral range, or many connections
    /// share it.
    Ports,
    /// The role was known before, and its evidence is gone: the listener was closed.
    Remembered,
}

impl RoleBasis {
    /// Whether the kernel's figures of the socket itself are the evidence.
    pub fn is_certain(self) -> bool {
        matches!(
            self,
            Self::Listening | Self::SynSent | Self::SynRecv | Self::NotConnected | Self::TcpInfo
        )
    }

    /// How firm it is, the firmest first: to show what a service's role rests on.
    pub(crate) fn rank(self) -> u8 {
        match self {
            Self::Listening
            | Self::SynSent
            | Self::SynRecv
            | Self::NotConnected
            | Self::TcpInfo => 0,
            Self::ListenerOnAddress => 1,
            Self::ListenerOnWildcard => 2,
            Self::Remembered => 3,
            Self::Ports => 4,
            Self::NoListener => 5,
            Self::ListenersUnknown => 6,
        }
    }

    /// The name used in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Listening => "listening",
            Self::ListenerOnAddress => "listener_on_address",
            Self::ListenerOnWildcard => "listener_on_wildcard",
            Self::NoListener => "no_listener",
            Self::SynSent => "syn_sent",
            Self::SynRecv => "syn_recv",
            Self::NotConnected => "not_connected",
            Self::ListenersUnknown => "listeners_unknown",
            Self::TcpInfo => "tcp_info",
            Self::Ports => "ports",
            Self::Remembered => "remembered",
        }
    }
}
