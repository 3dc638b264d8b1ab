//! A recording once more, without what tells whose it is.
//!
//! What stays has to be known for what it is: attributes, notes, lines and messages that are not
//! are left out, and counted.

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

use super::facts::{HostFacts, NamespaceOf};
use super::{
    About, Compression, Datagram, Entry, Kind, Note, Place, ReadError, Reader, Way, Writer,
};

/// What was left out, not being known.
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

/// What an anonymisation came to.
#[derive(Debug)]
pub struct Anonymised {
    /// Samples.
    pub samples: u64,
    /// Bytes that were written.
    pub written: u64,
    /// What was left out.
    pub dropped: Dropped,
    /// Where the recording was damaged, if it was: what comes behind is not in the new one.
    pub damage: Option<ReadError>,
}

/// Writes a recording again, under a key; `at_sample` is called after each, and ends it by `false`.
///
/// # Errors
/// What `out` answers.
pub fn anonymise<R: Read, W: Write>(
    reader: &mut Reader<R>,
    out: W,
    key: &Key,
    at_sample: impl FnMut(u64) -> bool,
) -> io::Result<Anonymised> {
    let mut work = Work {
        key,
        addresses: Addresses::default(),
        dropped: Dropped::default(),
        host: None,
        out: Some(out),
        writer: None,
        interfaces: FxHashMap::default(),
        samples: 0,
        written: 0,
    };
    let damage = work.run(reader, at_sample)?;
    work.finish()?;
    let skipped = reader.skipped();
    work.dropped.notes += skipped.notes;
    work.dropped.blocks += skipped.blocks + skipped.packets;
    Ok(Anonymised { samples: work.samples, written: work.written, dropped: work.dropped, damage })
}

struct Work<'a, W: Write> {
    key: &'a Key,
    addresses: Addresses,
    dropped: Dropped,
    /// Until a namespace is told, with which the new recording begins.
    host: Option<HostFacts>,
    out: Option<W>,
    writer: Option<Writer<W>>,
    /// Interfaces of the new recording by those of the old.
    interfaces: FxHashMap<u32, u32>,
    samples: u64,
    written: u64,
}

impl<W: Write> Work<'_, W> {
    fn run<R: Read>(
        &mut self,
        reader: &mut Reader<R>,
        mut at_sample: impl FnMut(u64) -> bool,
    ) -> io::Result<Option<ReadError>> {
        loop {
            let (time, entry) = match reader.read_timed() {
                Ok(Some(entry)) => entry,
                Ok(None) => return Ok(None),
                Err(damage) => return Ok(Some(damage)),
            };
            if let Some(writer) = &mut self.writer {
                writer.set_time(time);
            }
            match entry {
                Entry::Datagram(datagram) => self.datagram(&datagram)?,
                Entry::Note(note) => {
                    let kind = note.kind;
                    self.note(&note)?;
                    if kind == Kind::SampleEnd {
                        self.samples += 1;
                        if !at_sample(self.samples) {
                            return Ok(None);
                        }
                    }
                }
            }
        }
    }

    fn datagram(&mut self, datagram: &Datagram<'_>) -> io::Result<()> {
        let interface = self.interface(datagram.interface)?;
        let mut rewriter =
            Rewriter { key: self.key, addresses: &mut self.addresses, dropped: &mut self.dropped };
        let sent = datagram.way == Way::Sent;
        match (rewriter.datagram(datagram.bytes, sent), &mut self.writer) {
            (Some(bytes), Some(writer)) => writer.datagram(interface, datagram.way, &bytes),
            _ => Ok(()),
        }
    }

    fn note(&mut self, note: &Note<'_>) -> io::Result<()> {
        match note.kind {
            Kind::Host => match note.json::<HostFacts>() {
                Ok(facts) => {
                    let facts = notes::host(self.key, facts);
                    // A further recording in the same file has its own interfaces.
                    self.interfaces.clear();
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
                Ok(place) => self.place(note, place),
                Err(_) => self.drop_note(),
            },
            Kind::NamespaceGone => match note.json::<NamespaceOf>() {
                Ok(place) => self.leave(note, place),
                Err(_) => self.drop_note(),
            },
            _ => {
                let dropped = &mut self.dropped;
                begun(&mut self.writer, &mut self.out, &mut self.host, &NOWHERE)?;
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
    fn place(&mut self, note: &Note<'_>, place: NamespaceOf) -> io::Result<()> {
        let name = place.name.as_deref().map(|name| names::namespace(self.key, name));
        let declared = Place { inode: place.inode, name: name.as_deref() };
        let is_new = begun(&mut self.writer, &mut self.out, &mut self.host, &declared)?;
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let interface = if is_new { 0 } else { writer.add_place(&declared)? };
        self.interfaces.insert(place.interface, interface);
        let told = NamespaceOf { interface, inode: place.inode, name };
        writer.json(Kind::Namespace, note.namespace, &told)
    }

    /// Tells that a namespace is gone.
    fn leave(&mut self, note: &Note<'_>, place: NamespaceOf) -> io::Result<()> {
        let name = place.name.as_deref().map(|name| names::namespace(self.key, name));
        let interface = self.interface(place.interface)?;
        let Some(writer) = &mut self.writer else { return Ok(()) };
        writer.set_sample(note.sample);
        let told = NamespaceOf { interface, inode: place.inode, name };
        writer.json(Kind::NamespaceGone, note.namespace, &told)
    }

    /// The new recording's interface of one of the old.
    fn interface(&mut self, own: u32) -> io::Result<u32> {
        if let Some(known) = self.interfaces.get(&own) {
            return Ok(*known);
        }
        let is_new = begun(&mut self.writer, &mut self.out, &mut self.host, &NOWHERE)?;
        let interface = match &mut self.writer {
            Some(writer) if !is_new => writer.add_place(&NOWHERE)?,
            _ => 0,
        };
        self.interfaces.insert(own, interface);
        Ok(interface)
    }

    fn finish(&mut self) -> io::Result<()> {
        begun(&mut self.writer, &mut self.out, &mut self.host, &NOWHERE)?;
        if let Some(mut writer) = self.writer.take() {
            writer.flush()?;
            self.written = writer.written();
            writer.finish()?.flush()?;
        }
        Ok(())
    }
}

/// A namespace of which nothing is told.
const NOWHERE: Place<'static> = Place { inode: 0, name: None };

/// Begins the new recording with this namespace, if it is not begun; tells whether it was not.
fn begun<W: Write>(
    writer: &mut Option<Writer<W>>,
    out: &mut Option<W>,
    host: &mut Option<HostFacts>,
    place: &Place<'_>,
) -> io::Result<bool> {
    let Some(out) = out.take() else { return Ok(false) };
    let (system, machine) = host.as_ref().map_or(("Linux".to_owned(), ""), |host| {
        (format!("Linux {}", host.kernel), host.machine.as_str())
    });
    let program = concat!("tcpdiag ", env!("CARGO_PKG_VERSION"));
    let about = About { program, system: &system, machine };
    let mut begun = Writer::new(out, Compression::Zstd, &about, place)?;
    if let Some(host) = host.take() {
        begun.json(Kind::Host, 0, &host)?;
    }
    *writer = Some(begun);
    Ok(true)
}
