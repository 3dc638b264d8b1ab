//! The source of dumps.

use std::io;

use crate::recording::{Output, RecordingTransport, ReplayTransport};
use crate::socket_diag::Transport;
use crate::sys::NetlinkSocket;

/// Answers dump requests: the kernel, or a recording of its answers.
#[derive(Debug)]
pub enum Channel {
    /// The kernel.
    Kernel(NetlinkSocket),
    /// The kernel; requests and answers also go to a recording.
    Recorded(RecordingTransport<NetlinkSocket, Output>),
    /// A recording.
    Replay(ReplayTransport),
}

impl Transport for Channel {
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        match self {
            Self::Kernel(socket) => socket.send(request),
            Self::Recorded(transport) => transport.send(request),
            Self::Replay(transport) => transport.send(request),
        }
    }

    #[inline]
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Kernel(socket) => socket.receive(buffer),
            Self::Recorded(transport) => transport.receive(buffer),
            Self::Replay(transport) => transport.receive(buffer),
        }
    }
    fn foreign(&self) -> u64 {
        match self {
            Self::Kernel(socket) => socket.foreign(),
            Self::Recorded(transport) => transport.foreign(),
            Self::Replay(transport) => transport.foreign(),
        }
    }
}
