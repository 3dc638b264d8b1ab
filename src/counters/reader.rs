//! Reads the counter files of a namespace, once or repeatedly.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::ReadError;
use super::full_name::{Item, parse_value};
use super::layout::Layout;
use super::procfile::ProcFile;
use super::template::Template;
use super::values::{Builder, Counters};
use super::{snmp, snmp6, sockstat};

/// The format of a file.
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

/// The first two files have all counters of the catalogue.
const FILES: [(&str, Format); 5] = [
    ("snmp", Format::Pairs),
    ("netstat", Format::Pairs),
    ("snmp6", Format::Lines),
    ("sockstat", Format::Groups(sockstat::SOCKSTAT)),
    ("sockstat6", Format::Groups(sockstat::SOCKSTAT6)),
];
const WATCHED: usize = 2;

/// Their names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// The source of a text.
#[derive(Debug)]
enum Origin {
    File(ProcFile),
    /// The caller provides it, if there is one.
    Given(Option<String>),
}

impl Origin {
    fn read<'b>(&'b mut self, buffer: &'b mut Vec<u8>) -> Result<Option<Cow<'b, str>>, ReadError> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Given(text) => Ok(text.as_deref().map(Cow::Borrowed)),
        }
    }
}

/// A file, and the text around its values.
#[derive(Debug)]
struct Source {
    name: &'static str,
    origin: Origin,
    format: Format,
    template: Template,
}

/// Whether a sample can be compared with the one before by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutChange {
    /// Same names in the same order.
    Same,
    /// Names were added or removed; compare by name.
    Changed,
}

/// Reads the counter files of a namespace repeatedly.
///
/// Files stay open and the buffer is reused: while the names stay the same, a sample costs two system
/// calls per file and no allocation. Nearly all of the time is the kernel printing the numbers
/// (benches/counters.rs), so only the files that are needed should be read.
#[derive(Debug)]
pub struct CounterReader {
    root: PathBuf,
    sources: Vec<Source>,
    buffer: Vec<u8>,
    layout: Arc<Layout>,
}

impl CounterReader {
    /// A reader of snmp, netstat, snmp6, sockstat and sockstat6 below `root`:
    /// `/proc/thread-self/net`, `/proc/PID/net`, or a directory of copies. Nothing is opened
    /// before the first sample.
    pub fn new(root: &Path) -> Self {
        Self::of(root, FILES.len())
    }

    /// A reader of snmp and netstat only, which have all counters of the catalogue.
    pub fn watched(root: &Path) -> Self {
        Self::of(root, WATCHED)
    }

    /// A reader of texts of such files that the caller provides.
    pub fn given() -> Self {
        Self::of(Path::new("a recording"), FILES.len()).handed_in()
    }

    /// The same for snmp and netstat only.
    pub fn given_watched() -> Self {
        Self::of(Path::new("a recording"), WATCHED).handed_in()
    }

    fn handed_in(mut self) -> Self {
        self.sources.iter_mut().for_each(|source| source.origin = Origin::Given(None));
        self
    }

    /// Provides the texts of the next samples, each with the name of its file. Other files are
    /// absent.
    pub fn give<'t>(&mut self, texts: impl Iterator<Item = (&'t str, &'t str)> + Clone) {
        for source in &mut self.sources {
            let text = texts.clone().find(|(name, _)| *name == source.name);
            source.origin = Origin::Given(text.map(|(_, text)| text.to_owned()));
        }
    }

    fn of(root: &Path, count: usize) -> Self {
        let sources = FILES.iter().take(count).map(|(name, format)| Source {
            name,
            origin: Origin::File(ProcFile::new(root.join(name))),
            format: *format,
            template: Template::default(),
        });
        Self {
            root: root.to_owned(),
            sources: sources.collect(),
            buffer: Vec::new(),
            layout: Arc::default(),
        }
    }

    /// Opens the files now and never again: files that are absent now stay absent.
    ///
    /// For another namespace, whose files only a thread inside it can open. Any thread can then take
    /// samples.
    pub fn open(mut self) -> Result<Self, ReadError> {
        for source in &mut self.sources {
            if let Origin::File(file) = &mut source.origin {
                file.open_for_good()?;
            }
        }
        Ok(self)
    }

    /// Reads all files into `into`, which should be the sample before last.
    ///
    /// The files are read one after another while the kernel goes on counting, and the kernel adds its
    /// CPUs up without a lock: the numbers of one sample are not of one instant.
    pub fn sample(&mut self, into: &mut Counters) -> Result<LayoutChange, ReadError> {
        if self.refill(into)? {
            return Ok(LayoutChange::Same);
        }
        *into = self.rebuild()?;
        self.layout = Arc::clone(&into.layout);
        Ok(LayoutChange::Changed)
    }

    /// Reads into the current layout; `false` as soon as a name has another position.
    fn refill(&mut self, into: &mut Counters) -> Result<bool, ReadError> {
        let layout = &*self.layout;
        if layout.is_empty() {
            return Ok(false);
        }
        into.values.clear();
        into.malformed = 0;
        for source in &mut self.sources {
            let Some(text) = source.origin.read(&mut self.buffer)? else {
                continue;
            };
            if source.template.read(&text, &mut into.values) {
                continue;
            }
            if !compare(layout, source.format, &text, into) {
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

    /// Reads with a new layout.
    fn rebuild(&mut self) -> Result<Counters, ReadError> {
        let mut builder = Builder::default();
        let mut found = false;
        for source in &mut self.sources {
            source.template = Template::default();
            if let Some(text) = source.origin.read(&mut self.buffer)? {
                found = true;
                source.format.visit(&text, &mut |item| builder.push(item));
                source.template =
                    Template::learn(&text, |text, take| source.format.visit(text, take));
            }
        }
        if found {
            Ok(builder.build())
        } else {
            Err(ReadError::Nothing { root: self.root.clone() })
        }
    }
}

/// Appends the values of a text as long as each name is the next one of the layout.
fn compare(layout: &Layout, format: Format, text: &str, into: &mut Counters) -> bool {
    let mut same = true;
    format.visit(text, &mut |item| match item {
        Item::Named(name, value) => {
            same &= layout.name(into.values.len()).is_some_and(|known| name.is(known));
            if same {
                let value = value.and_then(parse_value);
                into.malformed += usize::from(value.is_none());
                into.values.push(value);
            }
        }
        Item::Malformed => into.malformed += 1,
    });
    same
}

/// Reads the counter files below `root` once.
pub fn read(root: &Path) -> Result<Counters, ReadError> {
    let mut counters = Counters::default();
    CounterReader::new(root).sample(&mut counters)?;
    Ok(counters)
}
