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

    /// The name of a service as people read it: one that only the port has given ends with a
    /// question mark before the port, `mysql?` or `→ mysql?:3306`.
    pub fn write_name(self, name: &str, out: &mut String) {
        if self != Self::PortName {
            out.push_str(name);
            return;
        }
        let port = name.rfind(':').unwrap_or(name.len());
        let (base, port) = name.split_at_checked(port).unwrap_or((name, ""));
        out.push_str(base);
        out.push('?');
        out.push_str(port);
    }

    /// Whether the name is only a guess from the port.
    pub fn is_guess(self) -> bool {
        self >= Self::PortName
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_ports_have_a_question_mark() {
        for (basis, name, shown) in [
            (ServiceBasis::PortName, "→ mysql:3306", "→ mysql?:3306"),
            (ServiceBasis::PortName, "http:80", "http?:80"),
            (ServiceBasis::PortName, "http", "http?"),
            (ServiceBasis::Listener, "→ haproxy:7000", "→ haproxy:7000"),
            (ServiceBasis::Port, "→ 7000", "→ 7000"),
        ] {
            let mut text = String::new();
            basis.write_name(name, &mut text);
            assert_eq!(text, shown);
        }
    }
}
