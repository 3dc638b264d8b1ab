//! Which counters and ratios are shown.

use std::collections::BTreeSet;

use anyhow::bail;

use super::categories::{OTHER_IDS, is_usual, place};
use crate::counters::{Catalogue, Counters, Group, Ratio, fold, matches};
use crate::output::escape;
use crate::report::CounterRow;

/// What NAMES mean.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Selection {
    /// Nothing was named.
    everything: bool,
    /// Zeros too.
    all: bool,
    /// Counters of the categories and patterns.
    counters: BTreeSet<String>,
    /// Counters that were named as such: shown even if zero.
    exactly: BTreeSet<String>,
    /// Categories, for their ratios.
    categories: BTreeSet<String>,
    /// Counters that are known but that this kernel does not have.
    pub(in crate::cli) not_here: Vec<String>,
}

impl Selection {
    /// Finds what each name means: in the catalogue, or among what this kernel has.
    pub(in crate::cli) fn new(
        names: &[String],
        all: bool,
        counters: &Counters,
    ) -> anyhow::Result<Self> {
        let mut selection = Self { everything: names.is_empty(), all, ..Self::default() };
        let present: BTreeSet<&str> = counters.layout().names().collect();
        for name in names {
            selection.add(name, &present)?;
        }
        Ok(selection)
    }

    fn add(&mut self, name: &str, present: &BTreeSet<&str>) -> anyhow::Result<()> {
        let catalogue = Catalogue::builtin();
        let folded = fold(name);
        let shown = escape::text(name);
        if let Some(category) = catalogue.category(name) {
            let of_it = catalogue.in_category(&category.id).map(|entry| entry.name.clone());
            self.counters.extend(of_it);
            self.categories.insert(category.id.clone());
            return Ok(());
        }
        let is_wanted: Box<dyn Fn(&str) -> bool + '_> =
            if let Some(id) = OTHER_IDS.iter().find(|id| **id == folded) {
                Box::new(move |counter| place(counter).1 == *id)
            } else if let Some(group) =
                Group::ALL.into_iter().find(|group| fold(group.name()) == folded)
            {
                Box::new(move |counter| Group::split(counter).is_some_and(|(of, _)| of == group))
            } else if folded.contains(['*', '?']) {
                Box::new(|counter| is_matched(&folded, counter))
            } else {
                return self.add_one(name, &folded, present);
            };
        let known = catalogue.entries().iter().map(|entry| entry.name.as_str());
        let found: Vec<String> = known
            .chain(present.iter().copied())
            .filter(|counter| is_wanted(counter))
            .map(str::to_owned)
            .collect();
        if found.is_empty() {
            bail!("no counter matches '{shown}'; `tcpdiag explain --all` lists them");
        }
        self.counters.extend(found);
        Ok(())
    }

    /// A counter in any spelling; the kernel's own names go before the catalogue's.
    fn add_one(
        &mut self,
        name: &str,
        folded: &str,
        present: &BTreeSet<&str>,
    ) -> anyhow::Result<()> {
        let here = present.iter().find(|counter| fold(counter) == folded).copied();
        let known = Catalogue::builtin().find(name).map(|entry| entry.name.as_str());
        let Some(found) = here.or(known) else {
            let name = escape::text(name);
            let near = Catalogue::builtin().suggest(&name);
            match near.as_slice() {
                [] => bail!(
                    "unknown counter or category '{name}'; `tcpdiag explain --all` lists them"
                ),
                near => {
                    bail!("unknown counter or category '{name}'; did you mean {}?", near.join(", "))
                }
            }
        };
        if !present.contains(found) {
            self.not_here.push(found.to_owned());
        }
        self.exactly.insert(found.to_owned());
        Ok(())
    }

    /// Whether a document holds the counter.
    pub(in crate::cli) fn holds(&self, name: &str) -> bool {
        self.everything || self.counters.contains(name) || self.exactly.contains(name)
    }

    /// Of these counters those that are held, and behind them what was asked for by name though
    /// it is not among them.
    pub(in crate::cli) fn asked<'c>(&self, counters: impl Iterator<Item = &'c str>) -> Vec<String> {
        let mut asked: Vec<String> =
            counters.filter(|name| self.holds(name)).map(str::to_owned).collect();
        let missing: Vec<String> =
            self.exactly.iter().filter(|name| !asked.contains(name)).cloned().collect();
        asked.extend(missing);
        asked
    }

    /// Whether a document holds the ratio: of a category that was named, or of a counter.
    pub(super) fn holds_ratio(&self, ratio: &Ratio) -> bool {
        self.everything
            || self.categories.contains(&ratio.category)
            || ratio.numerator.iter().any(|name| self.holds(name))
    }

    /// Whether a table shows a row that the document holds. Of an interval, what moved.
    pub(super) fn shows(&self, row: &CounterRow, moved_only: bool) -> bool {
        let named = self.exactly.contains(&row.name);
        let usual = !self.everything || self.all || is_usual(&row.name);
        let moves = if moved_only {
            row.delta.is_some_and(|delta| delta != 0)
        } else {
            row.value != 0 || row.delta.is_some_and(|delta| delta != 0)
        };
        named || usual && (self.all || moves || row.note.is_some())
    }
}

fn is_matched(pattern: &str, counter: &str) -> bool {
    let bare = Group::split(counter).map_or(counter, |(_, name)| name);
    matches(pattern, &fold(counter)) || matches(pattern, &fold(bare))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::{Kind, parse_snmp};

    fn select(names: &[&str]) -> anyhow::Result<Selection> {
        let counters = parse_snmp(
            "Tcp: RetransSegs OutSegs\nTcp: 1 0\nUdp: NoPorts\nUdp: 1\nTcpExt: NewOne TW\nTcpExt: 5 0\n",
        );
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Selection::new(&names, false, &counters)
    }

    #[test]
    fn any_spelling() {
        for name in
            ["RetransSegs", "TcpRetransSegs", "Tcp:RetransSegs", "tcp.retranssegs", "*retrans*"]
        {
            let selection = select(&[name]).unwrap();
            assert!(selection.holds("TcpRetransSegs"), "{name}");
            assert!(!selection.holds("TcpOutSegs"), "{name}");
        }
    }

    #[test]
    fn categories_groups_and_what_the_catalogue_does_not_know() {
        assert!(select(&["retransmission"]).unwrap().holds("TcpRetransSegs"));
        assert!(select(&["TIME-WAIT"]).unwrap().holds("TcpExtTW"));
        assert!(select(&["udp"]).unwrap().holds("UdpNoPorts"));
        assert!(select(&["TcpExtNewOne"]).unwrap().holds("TcpExtNewOne"));
        assert!(select(&["unknown"]).unwrap().holds("TcpExtNewOne"));
        let group = select(&["Tcp"]).unwrap();
        assert!(group.holds("TcpOutSegs") && !group.holds("TcpExtTW"));
        assert!(
            select(&["SyncookiesSent"])
                .unwrap()
                .not_here
                .contains(&"TcpExtSyncookiesSent".to_owned())
        );
    }

    #[test]
    fn nonsense_is_refused_with_a_hint() {
        let error = select(&["RetranSegs"]).unwrap_err().to_string();
        assert!(error.contains("did you mean TcpRetransSegs"), "{error}");
        for name in ["", "zzzzzzzzzz", "zz*zz", "\u{1b}[2J"] {
            assert!(select(&[name]).is_err(), "{name:?}");
        }
    }

    #[test]
    fn what_a_table_shows() {
        let row = |name: &str, value: i64, delta: Option<i64>| CounterRow {
            name: name.to_owned(),
            category: String::new(),
            kind: Kind::Counter,
            scope: None,
            value,
            delta,
            rate: None,
            note: None,
            meaning: None,
        };
        let all = select(&[]).unwrap();
        assert!(all.shows(&row("TcpOutSegs", 1, None), false));
        assert!(!all.shows(&row("TcpOutSegs", 0, None), false), "zeros only with --all");
        assert!(!all.shows(&row("TcpOutSegs", 9, Some(0)), true), "did not move");
        assert!(!all.shows(&row("UdpNoPorts", 9, None), false), "another protocol");
        let named = select(&["TcpOutSegs", "udp"]).unwrap();
        assert!(named.shows(&row("TcpOutSegs", 0, Some(0)), true), "asked for by name");
        assert!(named.shows(&row("UdpNoPorts", 9, None), false));
    }
}
