//! `/proc/net/snmp6`: one name and value per line, group included in the name.
//!
//! Printed by `snmp6_seq_show()` in net/ipv6/proc.c. It has no TCP counters (those of
//! `/proc/net/snmp` cover both families), but the octets of IPv6: `Ip6InOctets`.

use super::full_name::{FullName, Item};
use super::values::{Builder, Counters};

/// Parses the text of `/proc/net/snmp6`.
pub fn parse_snmp6(text: &str) -> Counters {
    let mut builder = Builder::default();
    visit(text, &mut |item| builder.push(item));
    builder.build()
}

/// Passes each name with its value to `take`.
pub(super) fn visit<'a>(text: &'a str, take: &mut dyn FnMut(Item<'a>)) {
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        match (words.next(), words.next(), words.next()) {
            (None, ..) => {}
            (Some(name), Some(value), None) => {
                take(Item::Named(FullName::grouped("", name), Some(value)));
            }
            _ => take(Item::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let counters =
            parse_snmp6("Ip6InOctets      \t18446744073709\n\nIp6New 1\nbad\na b c\nx y\n");
        assert_eq!(counters.get("Ip6InOctets"), Some(18_446_744_073_709));
        assert_eq!(counters.get("Ip6New"), Some(1));
        assert_eq!(counters.len(), 2);
        assert_eq!(counters.malformed(), 3);
    }
}
