//! `/proc/net/snmp` and `/proc/net/netstat`: pairs of a line of names and a line of values.
//!
//! Printed by `snmp_seq_show()` and `netstat_seq_show()` in net/ipv4/proc.c. Order and number
//! of names differ from kernel to kernel (6.18 added some in the middle), so only names count.

use super::full_name::{FullName, Item};
use super::values::{Builder, Counters};

/// Parses the text of `/proc/net/snmp` or `/proc/net/netstat`. The word before the colon
/// becomes the prefix: `Tcp: RetransSegs` is `TcpRetransSegs`.
pub fn parse_snmp(text: &str) -> Counters {
    let mut builder = Builder::default();
    visit(text, &mut |item| builder.push(item));
    builder.build()
}

/// Passes each name with its value to `take`.
pub(super) fn visit<'a>(text: &'a str, take: &mut dyn FnMut(Item<'a>)) {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).peekable();
    while let Some(line) = lines.next() {
        let Some((group, names)) = line.split_once(':') else {
            take(Item::Malformed);
            continue;
        };
        // The values must follow with the same group. A line without them is skipped, and the
        // next one is tried as a line of names.
        let values =
            lines.next_if(|next| next.split_once(':').is_some_and(|(other, _)| other == group));
        let Some((_, values)) = values.and_then(|line| line.split_once(':')) else {
            take(Item::Malformed);
            continue;
        };
        visit_pair(group.trim(), names, values, take);
    }
}

fn visit_pair<'a>(group: &'a str, names: &'a str, values: &'a str, take: &mut dyn FnMut(Item<'a>)) {
    let mut values = values.split_ascii_whitespace();
    for name in names.split_ascii_whitespace() {
        let value = values.next();
        take(Item::Named(FullName::grouped(group, name), value));
    }
    for _nameless in values {
        take(Item::Malformed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair() {
        let counters = parse_snmp("Tcp: MaxConn InSegs\nTcp: -1 7\n");
        assert_eq!(counters.get("TcpMaxConn"), Some(-1));
        assert_eq!(counters.get("TcpInSegs"), Some(7));
        assert_eq!(counters.get("TcpOutSegs"), None);
        assert_eq!(counters.malformed(), 0);
    }

    #[test]
    fn order_does_not_matter_and_unknown_names_are_kept() {
        let counters = parse_snmp("New: Z A\nNew: 1 2\nTcp: OutSegs InSegs\nTcp: 3 4\n");
        let all: Vec<_> = counters.iter().collect();
        assert_eq!(all, [("NewZ", 1), ("NewA", 2), ("TcpOutSegs", 3), ("TcpInSegs", 4)]);
    }

    #[test]
    fn damage_is_counted_and_local() {
        for (text, good, malformed) in [
            ("", 0, 0),
            ("\n\n", 0, 0),
            ("Tcp: A B\n", 0, 1),
            ("Tcp: A B\nTcp: 1\n", 1, 1),
            ("Tcp: A\nTcp: 1 2 3\n", 1, 2),
            ("Tcp: A B\nTcp: x 2\n", 1, 1),
            ("Tcp: A\nUdp: B\nUdp: 2\n", 1, 1),
            ("no colon\nTcp: A\nTcp: 1\n", 1, 1),
            ("Tcp:\nTcp:\n", 0, 0),
        ] {
            let counters = parse_snmp(text);
            assert_eq!((counters.len(), counters.malformed()), (good, malformed), "{text:?}");
        }
    }

    #[test]
    fn a_last_line_without_newline_counts() {
        // net/mptcp/mib.c did not end its line in 5.7 to 5.10 before the first MPTCP socket.
        assert_eq!(parse_snmp("MPTcpExt: MPRstTx\nMPTcpExt: 0").get("MPTcpExtMPRstTx"), Some(0));
    }
}
