//! The catalogue: all entries, in order, with look-up by any spelling.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde::Deserialize;

use super::category::Category;
use super::entry::Entry;
use super::error::CatalogueError;
use super::group::Group;
use super::healthy::Healthy;
use super::spelling::{fold, matches};
use super::suggest::suggest;

const CATEGORIES: &str = include_str!("catalogue/categories.toml");

/// The data, one file per few related categories. A new file is added here.
const FILES: [(&str, &str); 10] = [
    ("basics.toml", include_str!("catalogue/basics.toml")),
    ("handshake.toml", include_str!("catalogue/handshake.toml")),
    ("loss.toml", include_str!("catalogue/loss.toml")),
    ("acks.toml", include_str!("catalogue/acks.toml")),
    ("receive.toml", include_str!("catalogue/receive.toml")),
    ("teardown.toml", include_str!("catalogue/teardown.toml")),
    ("protection.toml", include_str!("catalogue/protection.toml")),
    ("other.toml", include_str!("catalogue/other.toml")),
    ("ip.toml", include_str!("catalogue/ip.toml")),
    ("mptcp.toml", include_str!("catalogue/mptcp.toml")),
];

/// Every counter of the groups Tcp, TcpExt, IpExt and MPTcpExt of Linux 3.10 to 7.x.
#[derive(Debug, Default)]
pub struct Catalogue {
    categories: Vec<Category>,
    entries: Vec<Entry>,
    /// By nstat's spelling, for names of files.
    exact: HashMap<String, usize>,
    /// By every accepted spelling, folded.
    folded: HashMap<String, usize>,
}

#[derive(Deserialize)]
struct CategoryFile {
    category: Vec<Category>,
}

#[derive(Deserialize)]
struct EntryFile {
    counter: Vec<Entry>,
}

impl Catalogue {
    /// The catalogue that is built in. Parsed once, at the first call.
    pub fn builtin() -> &'static Self {
        static BUILTIN: OnceLock<Catalogue> = OnceLock::new();
        // The data is part of the program and a test parses it, so the empty catalogue is never
        // used.
        BUILTIN.get_or_init(|| Self::parse(CATEGORIES, &FILES).unwrap_or_default())
    }

    /// Builds a catalogue from the text of a category file and of `(name, text)` entry files.
    pub fn parse(categories: &str, files: &[(&str, &str)]) -> Result<Self, CatalogueError> {
        let failed = |file: &str| {
            let file = file.to_owned();
            |source| CatalogueError::Parse { file, source: Box::new(source) }
        };
        let CategoryFile { category: categories } =
            toml::from_str(categories).map_err(failed("categories.toml"))?;
        let mut entries = Vec::new();
        for (name, text) in files {
            let file: EntryFile = toml::from_str(text).map_err(failed(name))?;
            entries.extend(file.counter);
        }
        for entry in &mut entries {
            // One table decides what is healthy.
            entry.healthy = Healthy::of_ratio(&entry.name).or(entry.healthy.take());
        }
        let rank: HashMap<&str, usize> = categories
            .iter()
            .enumerate()
            .map(|(at, category)| (category.id.as_str(), at))
            .collect();
        for entry in &entries {
            let named = std::iter::once(&entry.category).chain(&entry.also);
            if let Some(category) = named.into_iter().find(|id| !rank.contains_key(id.as_str())) {
                return Err(CatalogueError::Category {
                    entry: entry.name.clone(),
                    category: category.clone(),
                });
            }
        }
        // Stable, so within a category the order of the files remains.
        entries.sort_by_key(|entry| rank.get(entry.category.as_str()).copied());
        let exact =
            entries.iter().enumerate().map(|(at, entry)| (entry.name.clone(), at)).collect();
        let folded = spellings(&entries);
        Ok(Self { categories, entries, exact, folded })
    }

    /// All entries by category, the most useful first.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// All categories, in the order of the output.
    pub fn categories(&self) -> &[Category] {
        &self.categories
    }

    /// The category with this id, in any spelling.
    pub fn category(&self, id: &str) -> Option<&Category> {
        let id = fold(id);
        self.categories.iter().find(|category| fold(&category.id) == id)
    }

    /// The entries of a category: those with it as their main category, then the others.
    pub fn in_category<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Entry> {
        let main = self.entries.iter().filter(move |entry| entry.category == id);
        let also =
            self.entries.iter().filter(move |entry| entry.also.iter().any(|other| other == id));
        main.chain(also)
    }

    /// The entry of exactly this name, as the readers spell it. Does not allocate.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.exact.get(name).and_then(|at| self.entries.get(*at))
    }

    /// The index of the entry of exactly this name in [`entries`](Self::entries).
    pub fn position(&self, name: &str) -> Option<usize> {
        self.exact.get(name).copied()
    }

    /// The entry of a name in any spelling: `TcpRetransSegs`, `RetransSegs`, `Tcp:RetransSegs`,
    /// `tcpext.tcplossprobes`, `lossprobes`.
    ///
    /// A bare name that two groups have means the first of Tcp, TcpExt, IpExt, MPTcpExt.
    pub fn find(&self, spelling: &str) -> Option<&Entry> {
        self.folded.get(&fold(spelling)).and_then(|at| self.entries.get(*at))
    }

    /// The entries whose name, with or without its group, matches a pattern of `*` and `?`.
    pub fn matching(&self, pattern: &str) -> impl Iterator<Item = &Entry> {
        let pattern = fold(pattern);
        self.entries.iter().filter(move |entry| {
            matches(&pattern, &fold(&entry.name)) || matches(&pattern, &fold(entry.kernel_name()))
        })
    }

    /// Up to five names that an unknown name may be meant for, nearest first.
    pub fn suggest(&self, name: &str) -> Vec<&str> {
        suggest(&self.entries, name)
    }
}

/// Every accepted spelling. The first entry with a spelling has it: full names come first, then kernel
/// names group by group, then kernel names without `TCP`.
fn spellings(entries: &[Entry]) -> HashMap<String, usize> {
    let mut folded = HashMap::new();
    let mut add = |spelling: &str, at: usize| {
        folded.entry(fold(spelling)).or_insert(at);
    };
    for (at, entry) in entries.iter().enumerate() {
        add(&entry.name, at);
    }
    let of_group =
        |group| entries.iter().enumerate().filter(move |(_, entry)| entry.group() == Some(group));
    for group in Group::ALL {
        for (at, entry) in of_group(group) {
            add(entry.kernel_name(), at);
        }
    }
    for group in Group::ALL {
        for (at, entry) in of_group(group) {
            let kernel = fold(entry.kernel_name());
            if let Some(short) = kernel.strip_prefix("tcp") {
                add(short, at);
            }
        }
    }
    for (at, entry) in entries.iter().enumerate() {
        for alias in &entry.aliases {
            add(alias, at);
        }
    }
    folded
}
