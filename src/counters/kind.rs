//! Counter or gauge.

use serde::{Deserialize, Serialize};

use super::catalogue::Catalogue;

/// How a value changes over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Only grows. Its growth per interval is what matters.
    #[default]
    Counter,
    /// Goes up and down, or is constant. Its value is what matters.
    Gauge,
}

impl Kind {
    /// The name in JSON and CSV.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }

    /// Kind of any name the readers of this module produce, known to the catalogue or not.
    pub fn of(name: &str) -> Self {
        match Catalogue::builtin().entry(name) {
            Some(entry) => entry.kind,
            // All values of sockstat are levels. These two are in the Ip group but are settings.
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
