//! Reads the counter files of a namespace, once or repeatedly.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::ReadError;
use super::fault::{self, Fault, FileFault};
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

    /// Whether the name with these parts is of a group.
    fn has(self, group: &str, [first, second, ..]: &[&str; 4]) -> bool {
        match self {
            Self::Pairs => *first == group,
            Self::Lines => second.starts_with(group),
            Self::Groups(_) => *second == group,
        }
    }
}

/// A counter file.
#[derive(Clone, Copy, Debug)]
pub(super) struct CounterFile {
    pub(super) name: &'static str,
    format: Format,
    /// The groups that every kernel since 3.10 prints, the last of the file among them.
    groups: &'static [&'static str],
    /// Whether only kernels with IPv6 have it.
    is_ipv6: bool,
}

/// The first two files have all counters of the catalogue.
pub(super) const FILES: [CounterFile; 5] = [
    CounterFile {
        name: "snmp",
        format: Format::Pairs,
        groups: &["Ip", "Icmp", "Tcp", "Udp"],
        is_ipv6: false,
    },
    CounterFile {
        name: "netstat",
        format: Format::Pairs,
        groups: &["TcpExt", "IpExt"],
        is_ipv6: false,
    },
    CounterFile {
        name: "snmp6",
        format: Format::Lines,
        groups: &["Ip6", "Icmp6", "Udp6"],
        is_ipv6: true,
    },
    CounterFile {
        name: "sockstat",
        format: Format::Groups(sockstat::SOCKSTAT),
        groups: &["sockets", "TCP", "UDP", "RAW", "FRAG"],
        is_ipv6: false,
    },
    CounterFile {
        name: "sockstat6",
        format: Format::Groups(sockstat::SOCKSTAT6),
        groups: &["TCP6", "UDP6", "RAW6", "FRAG6"],
        is_ipv6: true,
    },
];
const WATCHED: usize = 2;

impl CounterFile {
    /// What is wrong with its text.
    pub(super) fn fault(&self, text: &str) -> Option<Fault> {
        let is_in = |group: &str, parts: &[&str; 4]| self.format.has(group, parts);
        fault::of_counters(text, self.groups, is_in, |text, take| self.format.visit(text, take))
    }
}

/// The name of the file that shows a counter of this name.
pub fn file_of(counter: &str) -> &'static str {
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| counter.starts_with(prefix));
    match () {
        () if begins(&[sockstat::SOCKSTAT6]) => "sockstat6",
        () if begins(&[sockstat::SOCKSTAT]) => "sockstat",
        () if begins(&["TcpExt", "IpExt", "MPTcpExt"]) => "netstat",
        () if begins(&["Ip6", "Icmp6", "Udp6", "UdpLite6"]) => "snmp6",
        () => "snmp",
    }
}

/// Adds that these files are missing. A kernel without IPv6 has none of the files of IPv6.
pub(super) fn add_missing<'f>(
    missing: impl Iterator<Item = &'f CounterFile> + Clone,
    faults: &mut Vec<FileFault>,
) {
    let of_ipv6 = FILES.iter().filter(|file| file.is_ipv6).count();
    let without_ipv6 = missing.clone().filter(|file| file.is_ipv6).count() == of_ipv6;
    let missing = missing.filter(|file| !(file.is_ipv6 && without_ipv6));
    faults.extend(missing.map(|file| FileFault { file: file.name, fault: Fault::Missing }));
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
    file: &'static CounterFile,
    origin: Origin,
    template: Template,
    /// The fault of every text that the template fits.
    fault: Option<Fault>,
    /// Whether it was missing in the last sample.
    is_missing: bool,
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
    /// the calling thread's ([`own_counters`](crate::sys::own_counters)), those of a process, or a
    /// directory of copies. Nothing is opened before the first sample.
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
            let text = texts.clone().find(|(name, _)| *name == source.file.name);
            source.origin = Origin::Given(text.map(|(_, text)| text.to_owned()));
        }
    }

    fn of(root: &Path, count: usize) -> Self {
        let sources = FILES.iter().take(count).map(|file| Source {
            file,
            origin: Origin::File(ProcFile::new(root.join(file.name))),
            template: Template::default(),
            fault: None,
            is_missing: false,
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

    /// Closes the files until the next sample, which opens them in the namespace of its thread. So
    /// many namespaces can be read with few descriptors.
    pub fn close(&mut self) {
        for source in &mut self.sources {
            if let Origin::File(file) = &mut source.origin {
                file.close();
            }
        }
    }

    /// Reads all files into `into`, which should be the sample before last.
    ///
    /// The files are read one after another while the kernel goes on counting, and the kernel adds its
    /// CPUs up without a lock: the numbers of one sample are not of one instant.
    pub fn sample(&mut self, into: &mut Counters) -> Result<LayoutChange, ReadError> {
        let change = if self.refill(into)? {
            LayoutChange::Same
        } else {
            *into = self.rebuild()?;
            self.layout = Arc::clone(&into.layout);
            LayoutChange::Changed
        };
        let missing = self.sources.iter().filter(|source| source.is_missing);
        add_missing(missing.map(|source| source.file), &mut into.faults);
        Ok(change)
    }

    /// Reads into the current layout; `false` as soon as a name has another position.
    fn refill(&mut self, into: &mut Counters) -> Result<bool, ReadError> {
        let layout = &*self.layout;
        if layout.is_empty() {
            return Ok(false);
        }
        into.values.clear();
        into.malformed = 0;
        into.faults.clear();
        for source in &mut self.sources {
            let text = source.origin.read(&mut self.buffer)?;
            source.is_missing = text.is_none();
            let Some(text) = text else { continue };
            let is_known = source.template.read(&text, &mut into.values);
            if !is_known && !compare(layout, source.file.format, &text, into) {
                return Ok(false);
            }
            let fault = if is_known { source.fault } else { source.file.fault(&text) };
            into.faults.extend(fault.map(|fault| FileFault { file: source.file.name, fault }));
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
            let text = source.origin.read(&mut self.buffer)?;
            source.is_missing = text.is_none();
            if let Some(text) = text {
                found = true;
                let format = source.file.format;
                format.visit(&text, &mut |item| builder.push(item));
                source.template = Template::learn(&text, |text, take| format.visit(text, take));
                source.fault = source.file.fault(&text);
                builder.add_fault(source.file.name, source.fault);
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
