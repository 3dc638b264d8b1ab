//! The four groups of counters the catalogue covers.

use std::fmt;

/// Group of a counter: the word before the colon in `/proc/net/snmp` and `/proc/net/netstat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// `Tcp` of `/proc/net/snmp`.
    Tcp,
    /// `TcpExt` of `/proc/net/netstat`.
    TcpExt,
    /// `IpExt` of `/proc/net/netstat`.
    IpExt,
    /// `MPTcpExt` of `/proc/net/netstat`, where the kernel has Multipath TCP.
    MpTcpExt,
}

impl Group {
    /// All groups. A kernel name that two groups have means the one of the first group.
    pub const ALL: [Self; 4] = [Self::Tcp, Self::TcpExt, Self::IpExt, Self::MpTcpExt];

    /// The kernel's spelling.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "Tcp",
            Self::TcpExt => "TcpExt",
            Self::IpExt => "IpExt",
            Self::MpTcpExt => "MPTcpExt",
        }
    }

    /// Splits nstat's spelling into group and kernel name: `TcpExtTW` is (`TcpExt`, `TW`).
    pub fn split(full: &str) -> Option<(Self, &str)> {
        // `Tcp` last: it is a prefix of `TcpExt`.
        [Self::MpTcpExt, Self::TcpExt, Self::IpExt, Self::Tcp]
            .into_iter()
            .find_map(|group| Some((group, full.strip_prefix(group.name())?)))
            .filter(|(_, rest)| !rest.is_empty())
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_takes_the_longest_group() {
        assert_eq!(Group::split("TcpRetransSegs"), Some((Group::Tcp, "RetransSegs")));
        assert_eq!(Group::split("TcpExtTW"), Some((Group::TcpExt, "TW")));
        assert_eq!(
            Group::split("TcpExtTcpTimeoutRehash"),
            Some((Group::TcpExt, "TcpTimeoutRehash"))
        );
        assert_eq!(Group::split("MPTcpExtMPRstTx"), Some((Group::MpTcpExt, "MPRstTx")));
        assert_eq!(Group::split("UdpNoPorts"), None);
        assert_eq!(Group::split("Tcp"), None);
        assert_eq!(Group::split(""), None);
    }
}
