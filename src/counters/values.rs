//! One reading: names and their values.

use std::sync::Arc;

use super::fault::{Fault, FileFault};
use super::full_name::{FullName, Item, parse_value};
use super::kind::Kind;
use super::layout::Layout;
use super::reader::file_of;

/// Counters as read from one or several files: name to value, in order of appearance.
///
/// Names are in nstat's spelling (`TcpRetransSegs`, `Ip6InOctets`); those of sockstat, which nstat
/// leaves out, are `sockstat.TCP.mem`. Unknown names are kept, and a counter that a file does not have
/// is absent rather than 0.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    pub(super) layout: Arc<Layout>,
    /// One per name of the layout; `None` where the value could not be read.
    pub(super) values: Vec<Option<i64>>,
    pub(super) malformed: usize,
    pub(super) faults: Vec<FileFault>,
}

impl Counters {
    /// The value of a counter, by its name in nstat's spelling.
    pub fn get(&self, name: &str) -> Option<i64> {
        self.at(self.layout.position(name)?)
    }

    /// The value at a position of the layout.
    pub fn at(&self, position: usize) -> Option<i64> {
        self.values.get(position).copied().flatten()
    }

    /// Names and values, in order of appearance.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i64)> {
        self.layout.names().zip(&self.values).filter_map(|(name, value)| Some((name, (*value)?)))
    }

    /// Names, kinds and values, in order of appearance.
    pub fn with_kinds(&self) -> impl Iterator<Item = (&str, Kind, i64)> {
        (0..self.layout.len()).filter_map(|position| {
            let value = self.at(position)?;
            Some((self.layout.name(position)?, self.layout.kind(position)?, value))
        })
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.values.iter().flatten().count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The names whose values could not be read.
    pub fn unreadable(&self) -> impl Iterator<Item = &str> {
        self.layout
            .names()
            .zip(&self.values)
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| name)
    }

    /// Number of names, values or lines that could not be read and were skipped.
    pub fn malformed(&self) -> usize {
        self.malformed
    }

    /// The files that could not be read whole.
    pub fn faults(&self) -> &[FileFault] {
        &self.faults
    }

    /// Whether the file that shows a counter could not be read whole. If the counter has no value
    /// then, it is unknown, and not something that this kernel does not count.
    pub fn is_unread(&self, name: &str) -> bool {
        !self.faults.is_empty()
            && self.get(name).is_none()
            && self.faults.iter().any(|fault| fault.file == file_of(name))
    }

    /// Becomes the same as another reading, in the memory that it has.
    pub fn copy_from(&mut self, other: &Self) {
        self.layout.clone_from(&other.layout);
        self.values.clone_from(&other.values);
        self.malformed = other.malformed;
        self.faults.clone_from(&other.faults);
    }

    /// The names of this reading. Equal pointers mean that positions may be compared.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }
}

/// The most counters of a reading. Linux 7.0 has some 500; a recording may claim any number.
const MOST: usize = 8192;

/// The longest name in bytes. The kernel's have up to 40.
const LONGEST: usize = 128;

/// A reading whose layout is not known yet.
#[derive(Debug, Default)]
pub(super) struct Builder {
    names: Vec<String>,
    values: Vec<Option<i64>>,
    malformed: usize,
    faults: Vec<FileFault>,
}

impl Builder {
    /// Adds what is wrong with a file.
    pub(super) fn add_fault(&mut self, file: &'static str, fault: Option<Fault>) {
        self.faults.extend(fault.map(|fault| FileFault { file, fault }));
    }

    /// Adds an item of a file.
    pub(super) fn push(&mut self, item: Item<'_>) {
        match item {
            Item::Named(name, _) if self.names.len() == MOST || name.len() > LONGEST => {
                self.malformed += 1;
            }
            Item::Named(name, value) => {
                let value = value.and_then(parse_value);
                self.malformed += usize::from(value.is_none());
                self.push_name(name);
                self.values.push(value);
            }
            Item::Malformed => self.malformed += 1,
        }
    }

    fn push_name(&mut self, name: FullName<'_>) {
        self.names.push(name.to_string());
    }

    /// The finished reading.
    pub(super) fn build(self) -> Counters {
        Counters {
            layout: Arc::new(Layout::new(self.names)),
            values: self.values,
            malformed: self.malformed,
            faults: self.faults,
        }
    }
}
