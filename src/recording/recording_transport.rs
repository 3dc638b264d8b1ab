//! Recording what passes between this program and the kernel.

use std::cell::Cell;
use std::io::{self, Write};
use std::rc::Rc;

use super::{SharedWriter, Way};
use crate::socket_diag::Transport;
use crate::wire::blank_keys;

/// A transport whose datagrams, both ways, also go to a recording.
#[derive(Debug)]
pub struct RecordingTransport<T, W: Write> {
    inner: T,
    tape: SharedWriter<W>,
    /// Shared with whoever goes on with another recording, where it may be another.
    interface: Rc<Cell<u32>>,
    /// Whether TCP-MD5 keys are recorded, and not zeros in their place.
    with_keys: bool,
}

impl<T: Transport, W: Write> RecordingTransport<T, W> {
    /// Records as this interface what passes `inner`, TCP-MD5 keys left out.
    pub fn new(inner: T, tape: SharedWriter<W>, interface: Rc<Cell<u32>>) -> Self {
        Self { inner, tape, interface, with_keys: false }
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
        self.tape.datagram(self.interface.get(), Way::Sent, request);
        self.inner.send(request)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.receive(buffer)?;
        // Of one that did not fit, what did.
        let end = length.min(buffer.len());
        let datagram = buffer.get_mut(..end).unwrap_or_default();
        if !self.with_keys {
            blank_keys(datagram);
        }
        self.tape.datagram(self.interface.get(), Way::Received, datagram);
        Ok(length)
    }
}
