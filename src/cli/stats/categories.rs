//! Which category a counter is shown under, also one that the catalogue has never heard of.

use crate::counters::{Catalogue, Group};

/// Category of a counter that is in a group of the catalogue but not in it.
pub(super) const UNKNOWN: &str = "unknown";

/// Categories of what is not in the catalogue, by the beginning of the name. Longer first.
const OTHERS: [(&str, &str); 11] = [
    ("sockstat6.", "sockstat"),
    ("sockstat.", "sockstat"),
    ("UdpLite6", "udp6"),
    ("UdpLite", "udp"),
    ("Udp6", "udp6"),
    ("Udp", "udp"),
    ("Icmp6", "icmp6"),
    ("IcmpMsg", "icmp"),
    ("Icmp", "icmp"),
    ("Ip6", "ip6"),
    ("Ip", "ip4"),
];

/// Ids of the categories that are not in the catalogue.
pub(super) const OTHER_IDS: [&str; 8] =
    [UNKNOWN, "sockstat", "ip4", "ip6", "icmp", "icmp6", "udp", "udp6"];

/// The category of a counter, and where it stands among all.
pub(super) fn place(name: &str) -> (usize, &str) {
    let catalogue = Catalogue::builtin();
    if let Some(at) = catalogue.position(name) {
        let category = catalogue.entries().get(at).map_or(UNKNOWN, |entry| &entry.category);
        return (at, category);
    }
    let id = if Group::split(name).is_some() {
        UNKNOWN
    } else {
        OTHERS
            .iter()
            .find(|(beginning, _)| name.starts_with(beginning))
            .map_or(UNKNOWN, |(_, id)| *id)
    };
    let rank = OTHER_IDS.iter().position(|other| *other == id).unwrap_or(OTHER_IDS.len());
    (catalogue.entries().len() + rank, id)
}

/// Whether it is shown without being asked for: TCP's own and IP's volume.
pub(super) fn is_usual(name: &str) -> bool {
    Group::split(name).is_some()
        || name.starts_with("sockstat.TCP.")
        || name.starts_with("sockstat6.TCP6.")
}

/// Whether a number is of the whole host: TCP's orphans and memory in sockstat (kernel.md 8),
/// and what the catalogue says so of.
pub(super) fn is_of_host(name: &str) -> bool {
    let host = ["sockstat.TCP.orphan", "sockstat.TCP.alloc", "sockstat.TCP.mem"];
    host.contains(&name)
        || Catalogue::builtin()
            .entry(name)
            .is_some_and(|entry| entry.scope == crate::counters::Scope::Host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_and_unknown() {
        for (name, category) in [
            ("TcpRetransSegs", "retransmission"),
            ("TcpExtOfTheFuture", UNKNOWN),
            ("Ip6InOctets", "ip6"),
            ("IpForwarding", "ip4"),
            ("IpExtInOctets", "ip"),
            ("Icmp6OutMsgs", "icmp6"),
            ("UdpLiteInDatagrams", "udp"),
            ("sockstat6.TCP6.inuse", "sockstat"),
            ("New", UNKNOWN),
        ] {
            assert_eq!(place(name).1, category, "{name}");
        }
        assert!(place("TcpRetransSegs").0 < place("Ip6InOctets").0);
        assert!(is_usual("TcpExtOfTheFuture") && !is_usual("UdpNoPorts"));
        assert!(is_of_host("sockstat.TCP.mem") && !is_of_host("sockstat.TCP.inuse"));
    }
}
