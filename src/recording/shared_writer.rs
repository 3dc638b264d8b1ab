//! A recording that several parts of a run write to.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use serde::Serialize;

use super::{Direction, Kind, NamespaceInterface, SampleBegun, SampleEnded, Writer};
use crate::sys::Clocks;

/// A handle to a recording being made; clones write to the same one. Entries have the time at
/// which they are written.
///
/// Nothing is written after the first error, which [`SharedWriter::flush`] returns: a dump must not
/// end in the middle because a disk is full.
pub struct SharedWriter<W: Write>(Rc<RefCell<State<W>>>);

struct State<W: Write> {
    /// `None` when it is finished.
    writer: Option<Writer<W>>,
    /// Until it is returned.
    error: Option<io::Error>,
    failed: bool,
}

impl<W: Write> Clone for SharedWriter<W> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<W: Write> SharedWriter<W> {
    /// Writes to this one.
    pub fn new(writer: Writer<W>) -> Self {
        Self::over(Some(writer))
    }

    /// Writes nothing before [`replace`](Self::replace).
    pub fn empty() -> Self {
        Self::over(None)
    }

    fn over(writer: Option<Writer<W>>) -> Self {
        Self(Rc::new(RefCell::new(State { writer, error: None, failed: false })))
    }

    /// Adds a network namespace; returns its interface.
    pub fn add_namespace(&self, namespace: &NamespaceInterface<'_>) -> u32 {
        let mut interface = 0;
        self.act(|writer| {
            interface = writer.add_namespace(namespace)?;
            Ok(())
        });
        interface
    }

    /// Begins a sample.
    pub fn begin_sample(&self, number: u32, begun: &SampleBegun) {
        self.act(|writer| {
            writer.set_sample(number);
            writer.json(Kind::Sample, 0, begun)
        });
    }

    /// Ends it.
    pub fn end_sample(&self, ended: &SampleEnded) {
        self.act(|writer| writer.json(Kind::SampleEnd, 0, ended));
    }

    /// Writes a datagram.
    pub fn datagram(&self, interface: u32, direction: Direction, bytes: &[u8]) {
        self.act(|writer| writer.datagram(interface, direction, bytes));
    }

    /// Writes a note.
    pub fn note(&self, kind: Kind, namespace: u64, payload: &[u8]) {
        self.act(|writer| writer.note(kind, namespace, payload));
    }

    /// Writes a note as JSON.
    pub fn json(&self, kind: Kind, namespace: u64, payload: &impl Serialize) {
        self.act(|writer| writer.json(kind, namespace, payload));
    }

    /// Writes notes of JSON lines.
    pub fn json_lines<T: Serialize>(
        &self,
        kind: Kind,
        namespace: u64,
        lines: impl IntoIterator<Item = T>,
    ) {
        self.act(|writer| writer.json_lines(kind, namespace, lines));
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.0.borrow().writer.as_ref().map_or(0, Writer::written)
    }

    /// Writes everything out.
    ///
    /// # Errors
    /// The first error since the last call.
    pub fn flush(&self) -> io::Result<()> {
        self.act(Writer::flush);
        let mut state = self.0.borrow_mut();
        match state.error.take() {
            Some(error) => Err(error),
            None if state.failed => Err(io::Error::other("writing failed before")),
            None => Ok(()),
        }
    }

    /// Ends the recording, if there is one, and continues with the next one; returns the former
    /// one's file.
    ///
    /// # Errors
    /// When it cannot be written; then nothing more is written to either.
    pub fn replace(&self, next: Writer<W>) -> io::Result<Option<W>> {
        self.flush()?;
        let former = self.0.borrow_mut().writer.replace(next);
        former.map(Writer::finish).transpose()
    }

    /// Ends the recording; returns the file.
    ///
    /// # Errors
    /// When it cannot be written; `NotConnected` if it was ended before.
    pub fn finish(&self) -> io::Result<W> {
        self.flush()?;
        let writer = self.0.borrow_mut().writer.take();
        writer.map_or_else(|| Err(io::ErrorKind::NotConnected.into()), Writer::finish)
    }

    fn act(&self, act: impl FnOnce(&mut Writer<W>) -> io::Result<()>) {
        let mut state = self.0.borrow_mut();
        let State { writer: Some(writer), failed: false, .. } = &mut *state else { return };
        writer.set_time(Clocks::now().realtime_ns);
        state.error = act(writer).err();
        state.failed = state.error.is_some();
    }
}

impl<W: Write> std::fmt::Debug for SharedWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedWriter").field("written", &self.written()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{About, Compression, Entry, Reader};

    /// A disk of limited size.
    struct Disk {
        written: Rc<RefCell<Vec<u8>>>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut written = self.written.borrow_mut();
            let fits = bytes.len().min(self.room - written.len());
            written.extend_from_slice(&bytes[..fits]);
            if fits == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(fits) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_reported_once_and_keeps_its_samples() {
        for compression in [Compression::None, Compression::Zstd] {
            let written = Rc::new(RefCell::new(Vec::new()));
            let disk = Disk { written: Rc::clone(&written), room: 4000 };
            let about = About { program: "", system: "", machine: "" };
            let namespace = NamespaceInterface { inode: 1, name: None };
            let shared =
                SharedWriter::new(Writer::new(disk, compression, &about, &namespace).unwrap());
            let mut whole: u32 = 0;
            let error = loop {
                shared.begin_sample(whole, &SampleBegun::default());
                // Bytes that cannot be compressed.
                let noise: Vec<u8> =
                    (1..=700u64).map(|n| (n * n * 0x9e37_79b9 + u64::from(whole)) as u8).collect();
                shared.clone().datagram(0, Direction::Received, &noise);
                shared.note(Kind::Counters, 1, &noise);
                match shared.flush() {
                    Ok(()) => whole += 1,
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            assert!(whole > 0, "{compression:?}");
            shared.note(Kind::End, 0, b"{}");
            assert!(shared.finish().is_err());
            let file = written.borrow().clone();
            let mut reader = Reader::new(file.as_slice()).unwrap();
            let mut samples = 0;
            let end = loop {
                match reader.read_entry() {
                    Ok(Some(Entry::Note(note))) if note.kind == Kind::Sample => samples += 1,
                    Ok(Some(_)) => {}
                    Ok(None) => panic!("{compression:?}: it was cut"),
                    Err(error) => break error,
                }
            };
            assert!(samples >= whole, "{end}");
        }
    }
}
