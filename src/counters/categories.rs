//! The category under which a counter is shown, including counters that the catalogue does not
//! know.

use super::{Catalogue, Group};

/// Category of a counter that is in a group of the catalogue but not in it.
pub const UNKNOWN_CATEGORY: &str = "unknown";

/// Categories of counters outside the catalogue, by prefix. Longer prefixes first.
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
pub const OTHER_IDS: [&str; 8] =
    [UNKNOWN_CATEGORY, "sockstat", "ip4", "ip6", "icmp", "icmp6", "udp", "udp6"];

/// The category of a counter, and where it stands among all.
pub fn category_of(name: &str) -> (usize, &str) {
    let catalogue = Catalogue::builtin();
    if let Some(at) = catalogue.position(name) {
        let category =
            catalogue.entries().get(at).map_or(UNKNOWN_CATEGORY, |entry| &entry.category);
        return (at, category);
    }
    let id = if Group::split(name).is_some() {
        UNKNOWN_CATEGORY
    } else {
        OTHERS
            .iter()
            .find(|(beginning, _)| name.starts_with(beginning))
            .map_or(UNKNOWN_CATEGORY, |(_, id)| *id)
    };
    let rank = OTHER_IDS.iter().position(|other| *other == id).unwrap_or(OTHER_IDS.len());
    (catalogue.entries().len() + rank, id)
}

/// Whether it is shown without being asked for: TCP's own and IP's volume.
pub fn is_shown_by_default(name: &str) -> bool {
    Group::split(name).is_some()
        || name.starts_with("sockstat.TCP.")
        || name.starts_with("sockstat6.TCP6.")
}

/// Whether a number is of the whole host: TCP's orphans and memory in sockstat (kernel.md 8),
/// and what the catalogue says so of.
pub fn is_host_wide(name: &str) -> bool {
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
            ("TcpExtOfTheFuture", UNKNOWN_CATEGORY),
            ("Ip6InOctets", "ip6"),
            ("IpForwarding", "ip4"),
            ("IpExtInOctets", "ip"),
            ("Icmp6OutMsgs", "icmp6"),
            ("UdpLiteInDatagrams", "udp"),
            ("sockstat6.TCP6.inuse", "sockstat"),
            ("New", UNKNOWN_CATEGORY),
        ] {
            assert_eq!(category_of(name).1, category, "{name}");
        }
        assert!(category_of("TcpRetransSegs").0 < category_of("Ip6InOctets").0);
        assert!(is_shown_by_default("TcpExtOfTheFuture") && !is_shown_by_default("UdpNoPorts"));
        assert!(is_host_wide("sockstat.TCP.mem") && !is_host_wide("sockstat.TCP.inuse"));
    }
}
