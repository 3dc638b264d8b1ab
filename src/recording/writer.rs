//! Writing a recording.

use std::io::{self, Write};

use serde::Serialize;

use super::block::{Draft, INTERFACE, ORDER_MAGIC, PACKET, SECTION};
use super::compression::{Compression, Sink};
use super::entry::Direction;
use super::interface::{DESCRIPTION, NAME, NANOSECONDS, NETLINK, NOTES, RESOLUTION, USER0};
use super::kind::Kind;
use super::note::{HEADER, Note};
use crate::procfs::NetNamespace;
use crate::wire::uapi::{ARPHRD_NETLINK, NETLINK_SOCK_DIAG};

/// The header of each datagram: unused, hardware type, unused, netlink family; big-endian.
pub(super) const COOKED: [u8; 16] = {
    let [high, low] = ARPHRD_NETLINK.to_be_bytes();
    let [family_high, family_low] = NETLINK_SOCK_DIAG.to_be_bytes();
    [0, 0, high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, family_high, family_low]
};

/// `epb_flags`, whose lowest two bits are the direction.
pub(super) const FLAGS: u16 = 2;
/// Outbound.
pub(super) const OUTBOUND: u32 = 2;

/// The interface with the notes.
const NOTES_INTERFACE: u32 = 1;

/// Notes of lines are divided at this length.
const LONGEST_NOTE: usize = 1 << 20;

/// What made a recording.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The program and its version.
    pub program: &'a str,
    /// The operating system and its release.
    pub system: &'a str,
    /// The machine's architecture.
    pub machine: &'a str,
}

/// A network namespace, as an interface of the file is named after it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct NamespaceInterface<'a> {
    /// Its inode.
    pub inode: u64,
    /// Its name, if it has one.
    pub name: Option<&'a str>,
}

impl<'a> From<&'a NetNamespace> for NamespaceInterface<'a> {
    fn from(namespace: &'a NetNamespace) -> Self {
        Self { inode: namespace.inode, name: namespace.name.as_deref() }
    }
}

/// A recording being written.
pub struct Writer<W: Write> {
    sink: Sink<W>,
    draft: Draft,
    /// Interfaces so far.
    interfaces: u32,
    sample: u32,
    time: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a recording of this network namespace, whose datagrams have interface 0.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new(
        out: W,
        compression: Compression,
        about: &About<'_>,
        namespace: &NamespaceInterface<'_>,
    ) -> io::Result<Self> {
        let sink = Sink::new(out, compression)?;
        let mut writer = Self { sink, draft: Draft::default(), interfaces: 0, sample: 0, time: 0 };
        writer.begin_section(about)?;
        writer.declare_namespace(namespace)?;
        writer.declare(USER0, NOTES, b"notes of tcpdiag between the datagrams")?;
        Ok(writer)
    }

    /// Adds a network namespace; returns the interface of its datagrams.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add_namespace(&mut self, namespace: &NamespaceInterface<'_>) -> io::Result<u32> {
        self.declare_namespace(namespace)
    }

    /// Sets the time of the following entries, in nanoseconds since 1970.
    pub fn set_time(&mut self, time: u64) {
        self.time = time;
    }

    /// Sets the sample of the following notes.
    pub fn set_sample(&mut self, sample: u32) {
        self.sample = sample;
    }

    /// Writes a datagram.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn datagram(
        &mut self,
        interface: u32,
        direction: Direction,
        bytes: &[u8],
    ) -> io::Result<()> {
        let mut tail = Draft::default();
        if direction == Direction::Sent {
            tail.option(FLAGS, &OUTBOUND.to_ne_bytes()).end_options();
        }
        self.begin_packet(interface, COOKED.len() + bytes.len());
        // The datagram itself, most of every recording, is not copied.
        let (head, end) =
            self.draft.bytes(&COOKED).around(bytes.len(), &tail).ok_or_else(too_long)?;
        self.sink.write_all(head)?;
        self.sink.write_all(bytes)?;
        self.sink.write_all(end)
    }

    /// Writes a note.
    ///
    /// # Errors
    /// When it cannot be written, and `InvalidInput` when it is too long for a block.
    pub fn note(&mut self, kind: Kind, namespace: u64, payload: &[u8]) -> io::Result<()> {
        if payload.len() > kind.longest() {
            return Err(too_long());
        }
        let note = Note { kind, sample: self.sample, namespace, payload };
        self.begin_packet(NOTES_INTERFACE, HEADER + payload.len());
        self.draft.bytes(&note.header()).bytes(payload);
        self.end_block()
    }

    /// Writes a note as JSON.
    ///
    /// # Errors
    /// The same.
    pub fn json(&mut self, kind: Kind, namespace: u64, payload: &impl Serialize) -> io::Result<()> {
        let payload = serde_json::to_vec(payload)?;
        self.note(kind, namespace, &payload)
    }

    /// Writes these lines as notes of JSON lines, as many as are needed.
    ///
    /// # Errors
    /// The same.
    pub fn json_lines<T: Serialize>(
        &mut self,
        kind: Kind,
        namespace: u64,
        lines: impl IntoIterator<Item = T>,
    ) -> io::Result<()> {
        let mut payload = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut payload, &line)?;
            payload.push(b'\n');
            if payload.len() >= LONGEST_NOTE {
                self.note(kind, namespace, &payload)?;
                payload.clear();
            }
        }
        if payload.is_empty() { Ok(()) } else { self.note(kind, namespace, &payload) }
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.sink.written()
    }

    /// Writes everything out, so that it can be read even if nothing follows.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }

    /// Ends the recording. What was flushed can also be read without this.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> io::Result<W> {
        self.sink.finish()
    }

    fn begin_section(&mut self, about: &About<'_>) -> io::Result<()> {
        // Version 1.0, and a length that is not known beforehand.
        self.draft.begin(SECTION).u32(ORDER_MAGIC).u16(1).u16(0).u32(u32::MAX).u32(u32::MAX);
        for (code, text) in [(2, about.machine), (3, about.system), (4, about.program)] {
            self.draft.option(code, text.as_bytes());
        }
        self.draft.end_options();
        self.end_block()
    }

    fn declare_namespace(&mut self, namespace: &NamespaceInterface<'_>) -> io::Result<u32> {
        let name = namespace.name.map_or_else(|| "sock_diag".to_owned(), str::to_owned);
        let description = format!("sock_diag of network namespace {}", namespace.inode);
        self.declare(NETLINK, name.as_bytes(), description.as_bytes())
    }

    fn declare(&mut self, link: u16, name: &[u8], description: &[u8]) -> io::Result<u32> {
        // No limit on the length of packets.
        self.draft.begin(INTERFACE).u16(link).u16(0).u32(0);
        self.draft.option(NAME, name).option(DESCRIPTION, description);
        self.draft.option(RESOLUTION, &[NANOSECONDS]).end_options();
        self.end_block()?;
        self.interfaces += 1;
        Ok(self.interfaces - 1)
    }

    fn begin_packet(&mut self, interface: u32, length: usize) {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.draft.begin(PACKET).u32(interface);
        self.draft.u32((self.time >> 32) as u32).u32(self.time as u32).u32(length).u32(length);
    }

    fn end_block(&mut self) -> io::Result<()> {
        match self.draft.end() {
            Some(block) => self.sink.write_all(block),
            None => Err(too_long()),
        }
    }
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "too long for a recording")
}

impl<W: Write> std::fmt::Debug for Writer<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("written", &self.written()).finish_non_exhaustive()
    }
}
