//! What the name of a service rests on.

/// What the name of a service rests on, the strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ServiceBasis {
    /// A `[[service]]` rule of the configuration.
    Rule,
    /// The container of the process that holds the socket.
    Container,
    /// That process's systemd unit.
    Unit,
    /// The process that holds the socket.
    Process,
    /// The programs that share the listener: it is not known which of them the socket belongs to.
    Group,
    /// The holder of the listener that accepted the connection.
    Listener,
    /// The port's name in services(5) or by custom: a guess.
    PortName,
    /// Nothing but the port, or the peer's address where the port is no service's.
    Port,
}

impl ServiceBasis {
    /// The name used in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Container => "container",
            Self::Unit => "unit",
            Self::Process => "process",
            Self::Group => "group",
            Self::Listener => "listener",
            Self::PortName => "port_name",
            Self::Port => "port",
        }
    }

    /// Whether the name is only a guess from the port.
    pub fn is_guess(self) -> bool {
        self >= Self::PortName
    }
}
