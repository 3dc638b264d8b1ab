//! Counter or gauge.

use serde::{Deserialize, Serialize};

use super::catalogue::Catalogue;

/// How a value moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Only grows, until its namespace ends; the growth per interval is what counts.
    #[default]
    Counter,
    /// A level that goes up and down, or a constant; the value itself is what counts.
    Gauge,
}

impl Kind {
    /// Kind of any name the readers of this module produce, known to the catalogue or not.
    pub fn of(name: &str) -> Self {
        match Catalogue::builtin().entry(name) {
            Some(entry) => entry.kind,
            // All of sockstat is levels; these two lead the Ip group but are settings.
            None if name.starts_with("sockstat") => Self::Gauge,
            None if matches!(name, "IpForwarding" | "IpDefaultTTL") => Self::Gauge,
            None => Self::Counter,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauges_are_few() {
        assert_eq!(Kind::of("TcpCurrEstab"), Kind::Gauge);
        assert_eq!(Kind::of("MPTcpExtMPCurrEstab"), Kind::Gauge);
        assert_eq!(Kind::of("sockstat.TCP.mem"), Kind::Gauge);
        assert_eq!(Kind::of("IpForwarding"), Kind::Gauge);
        assert_eq!(Kind::of("TcpRetransSegs"), Kind::Counter);
        assert_eq!(Kind::of("TcpExtOfTheFuture"), Kind::Counter);
        assert_eq!(Kind::of("Ip6InOctets"), Kind::Counter);
    }
}
