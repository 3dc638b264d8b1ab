//! Whether the counters call for a poll of the sockets.

use std::sync::Arc;

use crate::counters::{Catalogue, Counters, Kind, Layout, Selection};

/// Categories whose counters hardly move on a healthy host: few sockets move them at a time, so
/// that an early poll can identify these.
const TROUBLE: [&str; 10] = [
    "retransmission",
    "rto",
    "recovery",
    "undo",
    "dsack",
    "reordering",
    "sack",
    "listen",
    "abort",
    "memory",
];

/// The counters that are watched.
#[derive(Debug, Clone, Default)]
pub struct CounterGate {
    /// Those selected with `--counter`; by default all that indicate trouble.
    only: Option<Selection>,
    layout: Arc<Layout>,
    /// Their positions in that layout.
    positions: Vec<usize>,
}

impl CounterGate {
    /// Watches these counters, or all that indicate trouble.
    pub fn new(only: Option<Selection>) -> Self {
        Self { only, ..Self::default() }
    }

    /// Whether a watched counter moved between two readings.
    pub fn has_moved(&mut self, before: &Counters, now: &Counters) -> bool {
        if !Arc::ptr_eq(now.layout(), &self.layout) {
            self.learn(now.layout());
        }
        let same = Arc::ptr_eq(before.layout(), now.layout()) || before.layout() == now.layout();
        if !same {
            // The names changed, so positions cannot be compared.
            return true;
        }
        self.positions.iter().any(|&at| before.at(at) != now.at(at))
    }

    fn learn(&mut self, layout: &Arc<Layout>) {
        self.layout = Arc::clone(layout);
        let positions = layout.names().enumerate().filter(|(_, name)| self.watches(name));
        self.positions = positions.map(|(position, _)| position).collect();
    }

    fn watches(&self, name: &str) -> bool {
        if Kind::of(name) == Kind::Gauge {
            return false;
        }
        match &self.only {
            Some(only) => only.holds(name),
            None => Catalogue::builtin()
                .entry(name)
                .is_some_and(|entry| TROUBLE.contains(&entry.category.as_str())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::parse_snmp;

    fn counters(retransmitted: u64, sent: u64, probes: u64) -> Counters {
        parse_snmp(&format!(
            "Tcp: OutSegs RetransSegs\nTcp: {sent} {retransmitted}\nTcpExt: TCPLossProbes\nTcpExt: {probes}\n"
        ))
    }

    #[test]
    fn trouble_calls_and_traffic_does_not() {
        let before = counters(1, 1, 1);
        let mut gate = CounterGate::new(None);
        assert!(!gate.has_moved(&before, &counters(1, 99, 1)));
        assert!(gate.has_moved(&before, &counters(2, 1, 1)));
        assert!(gate.has_moved(&before, &counters(1, 1, 2)));
        let other = parse_snmp("Tcp: OutSegs\nTcp: 1\n");
        assert!(gate.has_moved(&before, &other), "another layout");
        let only = Selection::new(&["OutSegs".to_owned()], false, &before).unwrap();
        let mut gate = CounterGate::new(Some(only));
        assert!(gate.has_moved(&before, &counters(1, 2, 1)));
        assert!(!gate.has_moved(&before, &counters(2, 1, 2)));
    }

    #[test]
    fn every_category_exists() {
        for id in TROUBLE {
            assert!(Catalogue::builtin().category(id).is_some(), "{id}");
        }
    }
}
