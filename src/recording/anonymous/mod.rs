//! Copying a recording without addresses and names.
//!
//! Only what this program knows is kept: unknown attributes, notes, lines and messages are left
//! out and counted.

mod addresses;
mod datagram;
mod key;
mod names;
mod notes;

use std::io::{self, Read, Write};

use rustc_hash::FxHashMap;

use addresses::Addresses;
use datagram::Rewriter;
pub use key::Key;
use notes::Notes;

use super::facts::{Ending, HostFacts, NamespaceOf, SampleBegun};
use super::totals::RecordedTotals;
use super::{
    About, Compression, Datagram, Direction, Entry, Kind, NamespaceInterface, Note, ReadError,
    Reader, Writer,
};
use crate::sys::Clocks;

/// What was left out, because this program does not know it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Notes.
    pub notes: u64,
    /// Lines of notes.
    pub lines: u64,
    /// Netlink messages.
    pub messages: u64,
    /// Attributes of messages.
    pub attributes: u64,
    /// Blocks and packets of the file.
    pub blocks: u64,
}

/// The result of an anonymisation.
#[derive(Debug)]
pub struct Anonymised {
    /// Samples.
    pub samples: u64,
    /// Bytes that were written.
    pub written: u64,
    /// What was left out.
    pub dropped: Dropped,
    /// Damage that ended the reading of a recording, with the recording's number.
    pub damage: Vec<(usize, ReadError)>,
}

/// Copies recordings that follow each other into one, with names under a key. `at_sample` is called
/// after each sample, and stops the copy by returning `false`.
///
/// # Errors
/// When `out` cannot be written.
pub fn anonymise<R: Read, W: Write>(
    readers: impl IntoIterator<Item = Reader<R>>,
    out: W,
    key: &Key,
    mut at_sample: impl FnMut(u64) -> bool,
) -> io::Result<Anonymised> {
    let mut work = Work {
        key,
        addresses: Addresses::default(),
        dropped: Dropped::default(),
        host: None,
        out: Some(out),
        writer: None,
        interfaces: FxHashMap::default(),
        declared: FxHashMap::default(),
        files: FileState::default(),
        samples: 0,
        written: 0,
    };
    let mut damage = Vec::new();
    for (number, mut reader) in readers.into_iter().enumerate() {
        work.begin_file(number);
        let end = work.run(&mut reader, &mut at_sample)?;
        let skipped = reader.skipped();
        work.dropped.notes += skipped.notes;
        work.dropped.blocks += skipped.blocks + skipped.packets;
        match end {
            CopyEnd::File => {}
            CopyEnd::Damage(error) => damage.push((number, error)),
            CopyEnd::Stopped => break,
        }
    }
    work.finish()?;
    Ok(Anonymised { samples: work.samples, written: work.written, dropped: work.dropped, damage })
}

/// Why the copy of a file ended.
enum CopyEnd {
    File,
    Damage(ReadError),
    /// `at_sample` asked for it.
    Stopped,
}

struct Work<'a, W: Write> {
    key: &'a Key,
    addresses: Addresses,
    dropped: Dropped,
    /// Until the first namespace, which the new recording begins with.
    host: Option<HostFacts>,
    out: Option<W>,
    writer: Option<Writer<W>>,
    /// Interfaces of the new recording by those of the old.
    interfaces: FxHashMap<u32, u32>,
    /// The same by inodes of namespaces.
    declared: FxHashMap<u64, u32>,
    files: FileState,
    samples: u64,
    written: u64,
}

/// What is known of the file that is read and of those before it.
#[derive(Default)]
struct FileState {
    number: usize,
    /// Whether the monotonic clocks of the files can be compared.
    has_boot: bool,
    /// Added to the numbers of the file's samples.
    number_offset: u32,
    /// The number of the last sample, and when it began.
    last: Option<(u32, Clocks)>,
    /// When the last sample of the file before began.
    before: Option<Clocks>,
    /// The current sample is not copied, because the file before has that time already.
    skipping: bool,
    /// The totals of all files, and whether the current one has its end.
    totals: RecordedTotals,
    ending: Option<String>,
}

impl FileState {
    /// Whether the sample is in the file before too.
    fn overlaps(&self, clocks: Clocks) -> bool {
        self.before.is_some_and(|before| match self.has_boot {
            true => clocks.monotonic_ns <= before.monotonic_ns,
            false => clocks.realtime_ns <= before.realtime_ns,
        })
    }
}

impl<W: Write> Work<'_, W> {
    fn begin_file(&mut self, number: usize) {
        let files = &mut self.files;
        files.number = number;
        files.before = files.last.map(|(_, clocks)| clocks);
        files.number_offset = files.last.map_or(0, |(number, _)| number.saturating_add(1));
        (files.skipping, files.ending) = (false, None);
        self.interfaces.clear();
    }

    fn run<R: Read>(
        &mut self,
        reader: &mut Reader<R>,
        mut at_sample: impl FnMut(u64) -> bool,
    ) -> io::Result<CopyEnd> {
        loop {
            let (time, entry) = match reader.read_timed() {
                Ok(Some(entry)) => entry,
                Ok(None) => break,
                Err(damage) => return Ok(CopyEnd::Damage(damage)),
            };
            if let Some(writer) = &mut self.writer {
                writer.set_time(time);
            }
            match entry {
                Entry::Recording => self.begin_file(self.files.number),
                Entry::Datagram(_) if self.files.skipping => {}
                Entry::Datagram(datagram) => self.datagram(&datagram)?,
                Entry::Note(note) => {
                    let sample = note.sample.saturating_add(self.files.number_offset);
                    let note = Note { sample, ..note };
                    if self.is_skipped(&note) {
                        continue;
                    }
                    self.note(&note)?;
                    if note.kind == Kind::SampleEnd {
                        self.samples += 1;
                        if !at_sample(self.samples) {
                            return Ok(CopyEnd::Stopped);
                        }
                    }
                }
            }
        }
        let is_cut = reader.has_notes() && !reader.is_complete();
        Ok(if is_cut { CopyEnd::Damage(reader.unfinished()) } else { CopyEnd::File })
    }

    /// Whether a note is not copied, because it belongs to a sample that the file before has, or
    /// because it is written at the end.
    fn is_skipped(&mut self, note: &Note<'_>) -> bool {
        let files = &mut self.files;
        match note.kind {
            Kind::Sample => {
                if let Ok(SampleBegun { clocks, .. }) = note.json() {
                    files.skipping = files.overlaps(clocks);
                    if !files.skipping {
                        files.last = Some((note.sample, clocks));
                    }
                }
                files.skipping
            }
            Kind::SampleEnd => std::mem::take(&mut files.skipping),
            Kind::Host | Kind::Namespace | Kind::NamespaceGone => false,
            Kind::End => match note.json::<Ending>() {
                Ok(Ending { why, samples, sockets, events, events_lost }) => {
                    let of_file =
                        RecordedTotals { samples, sockets, events, events_lost, foreign: 0 };
                    files.totals.add(of_file);
                    files.ending = Some(why);
                    true
                }
                Err(_) => false,
            },
            _ => files.skipping,
        }
    }

    fn datagram(&mut self, datagram: &Datagram<'_>) -> io::Result<()> {
        let interface = self.interface(datagram.interface)?;
        let mut rewriter =
            Rewriter { key: self.key, addresses: &mut self.addresses, dropped: &mut self.dropped };
        let sent = datagram.direction == Direction::Sent;
        match (rewriter.datagram(datagram.bytes, sent), &mut self.writer) {
            (Some(bytes), Some(writer)) => writer.datagram(interface, datagram.direction, &bytes),
            _ => Ok(()),
        }
    }

    fn note(&mut self, note: &Note<'_>) -> io::Result<()> {
        match note.kind {
            Kind::Host => match note.json::<HostFacts>() {
                Ok(facts) => {
                    self.files.has_boot = facts.boot_id.is_some();
                    let facts = notes::host(self.key, facts);
                    // All recordings are of one host.
                    if self.host.is_none() && self.writer.is_some() {
                        return Ok(());
                    }
                    match &mut self.writer {
                        Some(writer) => writer.json(Kind::Host, 0, &facts),
                        None => {
                            self.host = Some(facts);
                            Ok(())
                        }
                    }
                }
                Err(_) => self.drop_note(),
            },
            Kind::Namespace => match note.json::<NamespaceOf>() {
                Ok(fact) => self.add_namespace(note, fact),
                Err(_) => self.drop_note(),
            },
            Kind::NamespaceGone => match note.json::<NamespaceOf>() {
                Ok(fact) => self.remove_namespace(note, fact),
                Err(_) => self.drop_note(),
            },
            _ => {
                let dropped = &mut self.dropped;
                begun(&mut self.writer, &mut self.out, &mut self.host, &UNKNOWN)?;
                match &mut self.writer {
                    Some(writer) => {
                        writer.set_sample(note.sample);
                        Notes { key: self.key, writer, dropped }.put(note)
                    }
                    None => Ok(()),
                }
            }
        }
    }

    fn drop_note(&mut self) -> io::Result<()> {
        self.dropped.notes += 1;
        Ok(())
    }

    /// Declares a namespace.
    fn add_namespace(&mut self, note: &Note<'_>, fact: NamespaceOf) -> io::Result<()> {
        let name = fact.name.as_deref().map(|name| names::namespace(self.key, name));
        let declared = NamespaceInterface { inode: fact.inode, name: name.as_deref() };
        if let Some(known) = self.declared.get(&fact.inode) {
            self.interfaces.insert(fact.interface, *known);
            return Ok(());
        }
        let is_new = begun(&mut self.writer, &mut self.out, &mut self.host, &declared)?;
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let interface = if is_new { 0 } else { writer.add_namespace(&declared)? };
        self.interfaces.insert(fact.interface, interface);
        self.declared.insert(fact.inode, interface);
        let new = NamespaceOf { interface, inode: fact.inode, name };
        writer.json(Kind::Namespace, note.namespace, &new)
    }

    /// Notes that a namespace is gone.
    fn remove_namespace(&mut self, note: &Note<'_>, fact: NamespaceOf) -> io::Result<()> {
        let name = fact.name.as_deref().map(|name| names::namespace(self.key, name));
        let interface = self.interface(fact.interface)?;
        let Some(writer) = &mut self.writer else { return Ok(()) };
        writer.set_sample(note.sample);
        let new = NamespaceOf { interface, inode: fact.inode, name };
        writer.json(Kind::NamespaceGone, note.namespace, &new)
    }

    /// The new recording's interface of one of the old.
    fn interface(&mut self, own: u32) -> io::Result<u32> {
        if let Some(known) = self.interfaces.get(&own) {
            return Ok(*known);
        }
        let is_new = begun(&mut self.writer, &mut self.out, &mut self.host, &UNKNOWN)?;
        let interface = match &mut self.writer {
            Some(writer) if !is_new => writer.add_namespace(&UNKNOWN)?,
            _ => 0,
        };
        self.interfaces.insert(own, interface);
        Ok(interface)
    }

    fn finish(&mut self) -> io::Result<()> {
        begun(&mut self.writer, &mut self.out, &mut self.host, &UNKNOWN)?;
        if let Some(mut writer) = self.writer.take() {
            if let Some(why) = &self.files.ending {
                writer.json(Kind::End, 0, &self.files.totals.ending(notes::end(why)))?;
            }
            writer.flush()?;
            self.written = writer.written();
            writer.finish()?.flush()?;
        }
        Ok(())
    }
}

/// A namespace that the recording does not describe.
const UNKNOWN: NamespaceInterface<'static> = NamespaceInterface { inode: 0, name: None };

/// Begins the new recording with this namespace; returns whether it was not begun before.
fn begun<W: Write>(
    writer: &mut Option<Writer<W>>,
    out: &mut Option<W>,
    host: &mut Option<HostFacts>,
    namespace: &NamespaceInterface<'_>,
) -> io::Result<bool> {
    let Some(out) = out.take() else { return Ok(false) };
    let (system, machine) = host.as_ref().map_or(("Linux".to_owned(), ""), |host| {
        (format!("Linux {}", host.kernel), host.machine.as_str())
    });
    let program = concat!("tcpdiag ", env!("CARGO_PKG_VERSION"));
    let about = About { program, system: &system, machine };
    let mut begun = Writer::new(out, Compression::Zstd, &about, namespace)?;
    if let Some(host) = host.take() {
        begun.json(Kind::Host, 0, &host)?;
    }
    *writer = Some(begun);
    Ok(true)
}
