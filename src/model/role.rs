//! Which end of a connection a socket is.

/// The part that a socket plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// It was accepted by a listener on this host.
    Server,
    /// It was opened by this host.
    Client,
    /// It accepts connections.
    Listener,
    /// Neither can be told.
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

/// Why a role was decided so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// The list of listeners could not be read.
    ListenersUnknown,
}

impl RoleBasis {
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
        }
    }
}
