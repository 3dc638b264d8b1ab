//! Which counters and ratios are shown.

use std::collections::BTreeSet;

use super::categories::{OTHER_IDS, category_of};
use super::{Catalogue, Counters, Group, Ratio, fold, is_pattern, matches};

/// A name that selects nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// A pattern.
    #[error("no counter matches '{}'; `tcpdiag explain --all` lists them", .0.escape_debug())]
    NoMatch(String),
    /// A name.
    #[error("unknown counter or category '{}'; {}", name.escape_debug(), hint(near))]
    Unknown {
        /// As it was given.
        name: String,
        /// Names that were perhaps meant.
        near: Vec<String>,
    },
}

fn hint(near: &[String]) -> String {
    match near {
        [] => "`tcpdiag explain --all` lists them".to_owned(),
        near => format!("did you mean {}?", near.join(", ")),
    }
}

/// The meaning of the NAME arguments.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Nothing was named.
    everything: bool,
    /// Include zeros.
    all: bool,
    /// Counters of the given categories and patterns.
    counters: BTreeSet<String>,
    /// Counters given by name: shown even if zero.
    exactly: BTreeSet<String>,
    /// Categories whose ratios are shown.
    categories: BTreeSet<String>,
    /// Counters that are known but that this kernel does not have.
    pub not_here: Vec<String>,
    /// Counters that could not be read, so that it is not known whether this kernel has them.
    pub unread: Vec<String>,
}

impl Selection {
    /// Finds what each name means: in the catalogue, or among what this kernel has.
    pub fn new(names: &[String], all: bool, counters: &Counters) -> Result<Self, SelectionError> {
        let mut selection = Self { everything: names.is_empty(), all, ..Self::default() };
        let present: BTreeSet<&str> = counters.layout().names().collect();
        for name in names {
            selection.add(name, &present)?;
        }
        let absent = std::mem::take(&mut selection.not_here);
        (selection.unread, selection.not_here) =
            absent.into_iter().partition(|name| counters.is_unread(name));
        Ok(selection)
    }

    fn add(&mut self, name: &str, present: &BTreeSet<&str>) -> Result<(), SelectionError> {
        let catalogue = Catalogue::builtin();
        let folded = fold(name);
        if let Some(category) = catalogue.category(name) {
            let of_it = catalogue.in_category(&category.id).map(|entry| entry.name.clone());
            self.counters.extend(of_it);
            self.categories.insert(category.id.clone());
            return Ok(());
        }
        let is_wanted: Box<dyn Fn(&str) -> bool + '_> =
            if let Some(id) = OTHER_IDS.iter().find(|id| **id == folded) {
                Box::new(move |counter| category_of(counter).1 == *id)
            } else if let Some(group) =
                Group::ALL.into_iter().find(|group| fold(group.name()) == folded)
            {
                Box::new(move |counter| Group::split(counter).is_some_and(|(of, _)| of == group))
            } else if is_pattern(&folded) {
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
            return Err(SelectionError::NoMatch(name.to_owned()));
        }
        self.counters.extend(found);
        Ok(())
    }

    /// A counter in any spelling; the kernel's own names take precedence over the catalogue's.
    fn add_one(
        &mut self,
        name: &str,
        folded: &str,
        present: &BTreeSet<&str>,
    ) -> Result<(), SelectionError> {
        let here = present.iter().find(|counter| fold(counter) == folded).copied();
        let known = Catalogue::builtin().find(name).map(|entry| entry.name.as_str());
        let Some(found) = here.or(known) else {
            let near = Catalogue::builtin().suggest(name);
            let near = near.iter().map(|name| (*name).to_owned()).collect();
            return Err(SelectionError::Unknown { name: name.to_owned(), near });
        };
        if !present.contains(found) {
            self.not_here.push(found.to_owned());
        }
        self.exactly.insert(found.to_owned());
        Ok(())
    }

    /// Whether nothing was named.
    pub fn is_everything(&self) -> bool {
        self.everything
    }

    /// Whether zeros are asked for too.
    pub fn with_zeros(&self) -> bool {
        self.all
    }

    /// Whether the counter was named as such.
    pub fn names(&self, name: &str) -> bool {
        self.exactly.contains(name)
    }

    /// Whether a document holds the counter.
    pub fn holds(&self, name: &str) -> bool {
        self.everything || self.counters.contains(name) || self.exactly.contains(name)
    }

    /// Of these counters those that are held, and behind them what was asked for by name though
    /// it is not among them.
    pub fn asked<'c>(&self, counters: impl Iterator<Item = &'c str>) -> Vec<String> {
        let mut asked: Vec<String> =
            counters.filter(|name| self.holds(name)).map(str::to_owned).collect();
        let not_here: Vec<String> =
            self.exactly.iter().filter(|name| !asked.contains(name)).cloned().collect();
        asked.extend(not_here);
        asked
    }

    /// Whether a document holds the ratio: of a category that was named, or of a counter.
    pub fn holds_ratio(&self, ratio: &Ratio) -> bool {
        self.everything
            || self.categories.contains(&ratio.category)
            || ratio.numerator.iter().any(|name| self.holds(name))
    }
}

fn is_matched(pattern: &str, counter: &str) -> bool {
    let bare = Group::split(counter).map_or(counter, |(_, name)| name);
    matches(pattern, &fold(counter)) || matches(pattern, &fold(bare))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::parse_snmp;

    fn select(names: &[&str]) -> Result<Selection, SelectionError> {
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
    fn categories_groups_and_unknown_counters() {
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
    fn unknown_names_are_errors_with_a_hint() {
        let error = select(&["RetranSegs"]).unwrap_err().to_string();
        assert!(error.contains("did you mean TcpRetransSegs"), "{error}");
        for name in ["", "zzzzzzzzzz", "zz*zz", "\u{1b}[2J"] {
            assert!(select(&[name]).is_err(), "{name:?}");
        }
    }
}
