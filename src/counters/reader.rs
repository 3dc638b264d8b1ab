//! Reading the counter files of a namespace, once or again and again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::ReadError;
use super::full_name::Item;
use super::layout::Layout;
use super::procfile::ProcFile;
use super::values::{Builder, Counters};
use super::{snmp, snmp6, sockstat};

/// How a file is laid out.
#[derive(Clone, Copy, Debug)]
enum Format {
    Pairs,
    Lines,
    Groups(&'static str),
}

impl Format {
    fn visit<'a>(self, text: &'a str, take: &mut dyn FnMut(Item<'a>)) {
        match self {
            Self::Pairs => snmp::visit(text, take),
            Self::Lines => snmp6::visit(text, take),
            Self::Groups(prefix) => sockstat::visit(prefix, text, take),
        }
    }
}

const FILES: [(&str, Format); 5] = [
    ("snmp", Format::Pairs),
    ("netstat", Format::Pairs),
    ("snmp6", Format::Lines),
    ("sockstat", Format::Groups(sockstat::SOCKSTAT)),
    ("sockstat6", Format::Groups(sockstat::SOCKSTAT6)),
];

/// Whether a sample can be compared with the one before by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutChange {
    /// Same names in the same order.
    Same,
    /// Names came or went; compare by name.
    Changed,
}

/// Reads snmp, netstat, snmp6, sockstat and sockstat6 of a namespace, again and again.
///
/// Files stay open and the buffer is used again, so while the names stay the same a sample
/// costs two system calls per file and no allocation.
#[derive(Debug)]
pub struct CounterReader {
    root: PathBuf,
    files: Vec<(ProcFile, Format)>,
    buffer: Vec<u8>,
    layout: Arc<Layout>,
}

impl CounterReader {
    /// A reader of the files below `root`: `/proc/thread-self/net`, `/proc/PID/net`, or a
    /// directory of copies. Nothing is opened before the first sample.
    pub fn new(root: &Path) -> Self {
        let files = FILES.iter().map(|(name, format)| (ProcFile::new(root.join(name)), *format));
        Self {
            root: root.to_owned(),
            files: files.collect(),
            buffer: Vec::new(),
            layout: Arc::default(),
        }
    }

    /// Reads all files into `into`, which is best the sample before last.
    ///
    /// The files are read one after another while the kernel goes on counting, and the kernel
    /// sums its CPUs without a lock: the numbers of one sample belong together only roughly.
    pub fn sample(&mut self, into: &mut Counters) -> Result<LayoutChange, ReadError> {
        if self.refill(into)? {
            return Ok(LayoutChange::Same);
        }
        *into = self.rebuild()?;
        self.layout = Arc::clone(&into.layout);
        Ok(LayoutChange::Changed)
    }

    /// Reads into the present layout; `false` as soon as a name is not where it was.
    fn refill(&mut self, into: &mut Counters) -> Result<bool, ReadError> {
        let layout = &*self.layout;
        if layout.is_empty() {
            return Ok(false);
        }
        into.values.clear();
        into.malformed = 0;
        let mut same = true;
        for (file, format) in &mut self.files {
            let Some(text) = file.read(&mut self.buffer)? else {
                continue;
            };
            format.visit(&text, &mut |item| match item {
                Item::Named(name, value) => {
                    same &= layout.name(into.values.len()).is_some_and(|known| name.is(known));
                    if same {
                        into.malformed += usize::from(value.is_none());
                        into.values.push(value);
                    }
                }
                Item::Malformed => into.malformed += 1,
            });
            if !same {
                return Ok(false);
            }
        }
        if into.values.len() != layout.len() {
            return Ok(false);
        }
        if !Arc::ptr_eq(&into.layout, &self.layout) {
            into.layout = Arc::clone(&self.layout);
        }
        Ok(true)
    }

    /// Reads without knowing the names.
    fn rebuild(&mut self) -> Result<Counters, ReadError> {
        let mut builder = Builder::default();
        let mut found = false;
        for (file, format) in &mut self.files {
            if let Some(text) = file.read(&mut self.buffer)? {
                found = true;
                format.visit(&text, &mut |item| builder.push(item));
            }
        }
        if found {
            Ok(builder.build())
        } else {
            Err(ReadError::Nothing { root: self.root.clone() })
        }
    }
}

/// Reads the counter files below `root` once.
pub fn read(root: &Path) -> Result<Counters, ReadError> {
    let mut counters = Counters::default();
    CounterReader::new(root).sample(&mut counters)?;
    Ok(counters)
}
