//! Recording the messages between this program and the kernel.

use std::cell::Cell;
use std::io::{self, Write};
use std::rc::Rc;

use super::{Direction, SharedWriter};
use crate::socket_diag::Transport;
use crate::wire::blank_keys;

/// A transport whose datagrams, in both directions, also go to a recording.
#[derive(Debug)]
pub struct RecordingTransport<T, W: Write> {
    inner: T,
    writer: SharedWriter<W>,
    /// Shared with the code that begins the next file, where the number may differ.
    interface: Rc<Cell<u32>>,
    /// Whether TCP-MD5 keys are recorded; otherwise zeros are.
    with_keys: bool,
}

impl<T: Transport, W: Write> RecordingTransport<T, W> {
    /// Records the datagrams of `inner` as this interface, without TCP-MD5 keys.
    pub fn new(inner: T, writer: SharedWriter<W>, interface: Rc<Cell<u32>>) -> Self {
        Self { inner, writer, interface, with_keys: false }
    }

    /// Records TCP-MD5 keys too.
    #[must_use]
    pub fn with_keys(mut self, with_keys: bool) -> Self {
        self.with_keys = with_keys;
        self
    }
}

impl<T: Transport, W: Write> Transport for RecordingTransport<T, W> {
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.writer.datagram(self.interface.get(), Direction::Sent, request);
        self.inner.send(request)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.receive(buffer)?;
        // A datagram that did not fit is recorded as far as it did.
        let end = length.min(buffer.len());
        let datagram = buffer.get_mut(..end).unwrap_or_default();
        if !self.with_keys {
            blank_keys(datagram);
        }
        self.writer.datagram(self.interface.get(), Direction::Received, datagram);
        Ok(length)
    }
    fn foreign(&self) -> u64 {
        self.inner.foreign()
    }
}
