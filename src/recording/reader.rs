//! Reading a recording.

use std::io::Read;

use super::block::{Block, Blocks, INTERFACE, PACKET, SECTION};
use super::checks::NoteChecks;
use super::compression::Stream;
use super::entry::{Datagram, Direction, Entry};
use super::error::{Damage, ReadError};
use super::interface::{Interface, Link};
use super::kind::Kind;
use super::note::{Note, Reading};
use super::refusal::{describe, describe_link};
use super::writer::{COOKED, FLAGS, OUTBOUND};
use crate::wire::uapi::NETLINK_SOCK_DIAG;

/// More than any host has namespaces. A damaged file could declare any number.
const MOST_INTERFACES: usize = 65_536;

/// Where the options of a section header begin, and `shb_os`.
const SECTION_OPTIONS: usize = 16;
const SYSTEM: u16 = 3;

/// Where a packet's bytes begin in the body of its block.
const PACKET_HEADER: usize = 20;

/// What was skipped, because this program cannot use it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Notes of kinds or versions that a later program may know.
    pub notes: u64,
    /// Blocks of other types.
    pub blocks: u64,
    /// Packets that are no netlink messages of sock_diag.
    pub packets: u64,
}

/// A recording being read.
///
/// Reading always ends: with `None` at the end of the file, or with an error that has the offset
/// and the reason. Memory is bounded by the largest block, 8 MiB, and by zstd's
/// window, 32 MiB at most.
///
/// Several recordings of one boot in a file, one behind the other, are read as one: each further one
/// begins with [`Entry::Recording`].
pub struct Reader<R: Read> {
    blocks: Blocks<R>,
    interfaces: Vec<Interface>,
    /// Whether its machine had the byte order of this one.
    native: bool,
    /// The block that was read last is not processed yet.
    pending: bool,
    /// A further recording begins before that block.
    begins: bool,
    end: Option<ReadError>,
    complete: bool,
    checks: NoteChecks,
    skipped: Skipped,
    time: u64,
    /// The operating system that it was made on.
    system: Option<String>,
}

impl<R: Read> Reader<R> {
    /// Begins to read; the interfaces are known afterwards.
    ///
    /// # Errors
    /// When it is no recording, or ends before its first entry.
    pub fn new(file: R) -> Result<Self, ReadError> {
        let unreadable = |error: std::io::Error| ReadError::EndsEarly {
            at: 0,
            compressed: false,
            why: Damage::Stream(error.to_string()),
        };
        let stream = Stream::new(file).map_err(unreadable)?;
        let compressed = stream.is_compressed();
        let mut blocks = Blocks::new(stream);
        begin(&mut blocks, compressed)?;
        let system = blocks.block().and_then(|block| block.option(SECTION_OPTIONS, SYSTEM));
        let system = system.map(|system| String::from_utf8_lossy(system).into_owned());
        let mut reader = Self {
            native: blocks.is_native(),
            blocks,
            interfaces: Vec::new(),
            pending: false,
            begins: false,
            end: None,
            complete: false,
            checks: NoteChecks::default(),
            skipped: Skipped::default(),
            time: 0,
            system,
        };
        reader.declare()?;
        Ok(reader)
    }

    /// The next entry; `None` at the end of the file.
    ///
    /// # Errors
    /// When the recording ends early. Every later call returns the same.
    pub fn read_entry(&mut self) -> Result<Option<Entry<'_>>, ReadError> {
        Ok(self.read_timed()?.map(|(_, entry)| entry))
    }

    /// The same, with its time in nanoseconds since 1970.
    ///
    /// # Errors
    /// The same.
    pub fn read_timed(&mut self) -> Result<Option<(u64, Entry<'_>)>, ReadError> {
        if let Some(end) = &self.end {
            return Err(end.clone());
        }
        match self.seek() {
            Ok(true) => Ok(self.entry().map(|entry| (self.time, entry))),
            Ok(false) => Ok(None),
            Err(error) => {
                self.end = Some(error.clone());
                Err(error)
            }
        }
    }

    /// The time of the last entry, in nanoseconds since 1970.
    pub fn time(&self) -> u64 {
        self.time
    }

    /// Whether this program made it. Otherwise it has netlink messages only, and no notes.
    pub fn has_notes(&self) -> bool {
        self.interfaces.iter().any(|interface| interface.link == Link::Notes)
    }

    /// The operating system that it was made on: `Linux 6.1.0`.
    pub fn system(&self) -> Option<&str> {
        self.system.as_deref()
    }

    /// The error for damage of the last entry.
    pub(super) fn damaged(&self, why: Damage) -> ReadError {
        self.blocks.damaged(why)
    }

    /// Whether the note that ends a recording was read; of several, the last one's.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The error for a file that ends without the note that ends a recording.
    pub fn unfinished(&self) -> ReadError {
        self.blocks.damaged(Damage::NoEnd)
    }

    /// What was skipped so far.
    pub fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// Whether its machine had the byte order of this one. Otherwise netlink messages in it
    /// cannot be read here.
    pub fn is_of_this_byte_order(&self) -> bool {
        self.native
    }

    /// Reads the interfaces, up to the first block of another type.
    fn declare(&mut self) -> Result<(), ReadError> {
        while self.blocks.advance()? {
            match self.blocks.block().map(|block| block.kind) {
                Some(INTERFACE) => self.learn_interface()?,
                _ => {
                    self.pending = true;
                    break;
                }
            }
        }
        match self.interfaces.iter().find(|interface| interface.link != Link::Notes) {
            Some(Interface { link: Link::Foreign(link), .. })
                if !self.interfaces.iter().any(|one| one.link == Link::Netlink) =>
            {
                Err(ReadError::NotARecording { what: describe_link(*link) })
            }
            None if self.interfaces.is_empty() && self.pending => {
                let what = "a pcapng file that declares no interfaces".to_owned();
                Err(ReadError::NotARecording { what })
            }
            None if self.interfaces.is_empty() => Err(self.blocks.damaged(Damage::Cut)),
            _ => Ok(()),
        }
    }

    fn learn_interface(&mut self) -> Result<(), ReadError> {
        let Some(block) = self.blocks.block() else { return Ok(()) };
        let Some(interface) = Interface::read(&block) else {
            return Err(self.blocks.damaged(Damage::Short(INTERFACE)));
        };
        if self.interfaces.len() == MOST_INTERFACES {
            return Err(self.blocks.damaged(Damage::Interfaces(MOST_INTERFACES)));
        }
        self.interfaces.push(interface);
        Ok(())
    }

    /// Goes to the next block that is an entry; `false` if there is none.
    fn seek(&mut self) -> Result<bool, ReadError> {
        self.begins = false;
        loop {
            if !std::mem::take(&mut self.pending) && !self.blocks.advance()? {
                return Ok(false);
            }
            let Some(block) = self.blocks.block() else { return Ok(false) };
            match block.kind {
                SECTION => {
                    self.begin_recording()?;
                    return Ok(true);
                }
                INTERFACE => self.learn_interface()?,
                PACKET => {
                    let found = self.parse(&block).map_err(|why| self.blocks.damaged(why))?;
                    let (time, entry) = found;
                    match entry {
                        Found::Entry(entry) => {
                            if let Entry::Note(note) = entry {
                                let checked = self.checks.check(&note);
                                checked.map_err(|why| self.blocks.damaged(why))?;
                                self.complete |= note.kind == Kind::End;
                            }
                            self.time = time;
                            return Ok(true);
                        }
                        Found::UnknownNote => self.skipped.notes += 1,
                        Found::Foreign => self.skipped.packets += 1,
                    }
                }
                _ => self.skipped.blocks += 1,
            }
        }
    }

    /// Begins a further recording: files were put one behind the other.
    fn begin_recording(&mut self) -> Result<(), ReadError> {
        let has_notes = self.has_notes();
        let other = self.blocks.damaged(Damage::OtherKind);
        self.interfaces.clear();
        self.complete = false;
        self.checks.begin_recording();
        match self.declare() {
            Err(ReadError::NotARecording { .. }) => return Err(other),
            declared => declared?,
        }
        self.begins = self.has_notes() == has_notes && self.blocks.is_native() == self.native;
        if self.begins { Ok(()) } else { Err(other) }
    }

    /// The entry that [`Self::seek`] found. It is parsed again, because a borrow of the block cannot
    /// leave the loop of `seek`.
    fn entry(&self) -> Option<Entry<'_>> {
        if self.begins {
            return Some(Entry::Recording);
        }
        match self.parse(&self.blocks.block()?) {
            Ok((_, Found::Entry(entry))) => Some(entry),
            _ => None,
        }
    }

    /// Parses a packet: its time, and what it is.
    fn parse<'b>(&self, block: &Block<'b>) -> Result<(u64, Found<'b>), Damage> {
        let short = || Damage::Short(PACKET);
        let word = |at| block.order.u32(block.body, at).ok_or_else(short);
        let number = word(0)?;
        let time = u64::from(word(4)?) << 32 | u64::from(word(8)?);
        let length = word(12)? as usize;
        let end = PACKET_HEADER.checked_add(length).ok_or_else(short)?;
        let bytes = block.body.get(PACKET_HEADER..end).ok_or_else(short)?;
        let interface = self.interfaces.get(number as usize);
        let interface = interface.ok_or(Damage::Interface(number))?;
        let flags = block
            .option(end.next_multiple_of(4), FLAGS)
            .and_then(|value| block.order.u32(value, 0));
        let direction = match flags {
            Some(flags) if flags & 3 == OUTBOUND => Direction::Sent,
            _ => Direction::Received,
        };
        let found = match interface.link {
            Link::Netlink => match sock_diag(bytes) {
                Some(bytes) => {
                    Found::Entry(Entry::Datagram(Datagram { interface: number, direction, bytes }))
                }
                None => Found::Foreign,
            },
            Link::Notes => match Note::read(bytes, block.order) {
                Reading::Note(note) => Found::Entry(Entry::Note(note)),
                Reading::Unknown => Found::UnknownNote,
                Reading::Broken => return Err(Damage::Note(length)),
            },
            Link::Foreign(_) => Found::Foreign,
        };
        Ok((interface.nanoseconds(time), found))
    }
}

/// What a packet is.
enum Found<'a> {
    Entry(Entry<'a>),
    UnknownNote,
    Foreign,
}

/// The datagram after a cooked header, if it is one of sock_diag. Other programs fill the unused
/// bytes, so only the family counts.
fn sock_diag(bytes: &[u8]) -> Option<&[u8]> {
    let (header, datagram) = bytes.split_at_checked(COOKED.len())?;
    header.ends_with(&NETLINK_SOCK_DIAG.to_be_bytes()).then_some(datagram)
}

/// Reads the first block, which shows what the file is.
fn begin<R: Read>(blocks: &mut Blocks<R>, compressed: bool) -> Result<(), ReadError> {
    let result = blocks.advance();
    let is_section = blocks.bytes().starts_with(&SECTION.to_ne_bytes());
    let is_start = SECTION.to_ne_bytes().starts_with(blocks.bytes());
    match result {
        Ok(true) => Ok(()),
        // Nothing came out of a zstd stream that was cut.
        Err(error @ ReadError::EndsEarly { why: Damage::Cut | Damage::Stream(_), .. })
            if is_section || is_start && compressed =>
        {
            Err(error)
        }
        Err(error) if is_section => Err(error),
        _ => Err(ReadError::NotARecording { what: describe(blocks.bytes(), compressed) }),
    }
}

impl<R: Read> std::fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("at", &self.blocks.start())
            .field("skipped", &self.skipped)
            .finish_non_exhaustive()
    }
}
