//! Recording what passes between this program and the kernel.

use std::io::{self, Write};

use super::{Tape, Way};
use crate::source::Transport;

/// A transport whose datagrams, both ways, also go to a recording.
#[derive(Debug)]
pub struct Tap<T, W: Write> {
    inner: T,
    tape: Tape<W>,
    interface: u32,
}

impl<T: Transport, W: Write> Tap<T, W> {
    /// Records as this interface what passes `inner`.
    pub fn new(inner: T, tape: Tape<W>, interface: u32) -> Self {
        Self { inner, tape, interface }
    }
}

impl<T: Transport, W: Write> Transport for Tap<T, W> {
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.tape.datagram(self.interface, Way::Sent, request);
        self.inner.send(request)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.receive(buffer)?;
        // Of one that did not fit, what did.
        let datagram = buffer.get(..length).unwrap_or(buffer);
        self.tape.datagram(self.interface, Way::Received, datagram);
        Ok(length)
    }
}
