//! `/proc/net/sockstat` and `sockstat6`: a group, then keys with values on the same line.
//!
//! Printed by `sockstat_seq_show()` in net/ipv4/proc.c and net/ipv6/proc.c. `inuse` and `tw`
//! are of the namespace; `orphan`, `alloc` and `mem` (in pages) of TCP are of the whole host in every
//! namespace.

use super::full_name::{FullName, Item};
use super::values::{Builder, Counters};

/// Prefix of names from `/proc/net/sockstat`.
pub(super) const SOCKSTAT: &str = "sockstat.";
/// Prefix of names from `/proc/net/sockstat6`.
pub(super) const SOCKSTAT6: &str = "sockstat6.";

/// Parses the text of `/proc/net/sockstat`: `TCP: mem 3` is `sockstat.TCP.mem`.
pub fn parse_sockstat(text: &str) -> Counters {
    parse(SOCKSTAT, text)
}

/// Parses the text of `/proc/net/sockstat6`: `TCP6: inuse 3` is `sockstat6.TCP6.inuse`.
pub fn parse_sockstat6(text: &str) -> Counters {
    parse(SOCKSTAT6, text)
}

fn parse(prefix: &'static str, text: &str) -> Counters {
    let mut builder = Builder::default();
    visit(prefix, text, &mut |item| builder.push(item));
    builder.build()
}

/// Passes each name with its value to `take`.
pub(super) fn visit<'a>(prefix: &'static str, text: &'a str, take: &mut dyn FnMut(Item<'a>)) {
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let Some((group, rest)) = line.split_once(':') else {
            take(Item::Malformed);
            continue;
        };
        let mut words = rest.split_ascii_whitespace();
        while let Some(key) = words.next() {
            let value = words.next();
            take(Item::Named(FullName([prefix, group.trim(), ".", key]), value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::Kind;

    #[test]
    fn groups_and_keys() {
        let counters = parse_sockstat(
            "sockets: used 121\nTCP: inuse 83 orphan 1 mem 177\nFRAG6: inuse 0 memory\n",
        );
        assert_eq!(counters.get("sockstat.sockets.used"), Some(121));
        assert_eq!(counters.get("sockstat.TCP.mem"), Some(177));
        assert_eq!(counters.get("sockstat.FRAG6.memory"), None);
        assert_eq!(counters.malformed(), 1);
        assert!(counters.with_kinds().all(|(_, kind, _)| kind == Kind::Gauge));
    }
}
