//! The floor: a dump received and discarded.

use std::io;

use tcpdiag::sys::NetlinkSocket;
use tcpdiag::wire::DumpRequest;
use tcpdiag::wire::uapi::{NLMSG_DONE, NLMSG_ERROR};

/// Length of the message that ends a dump: a header and an error number.
const END: usize = 20;

/// `nlmsg_seq` of the floor's requests.
const SEQUENCE: u32 = 0x7c9d_1a61;

/// A netlink socket that receives answers without decoding them.
pub(super) struct Drain {
    socket: NetlinkSocket,
    buffer: Vec<u8>,
}

impl Drain {
    pub(super) fn open() -> io::Result<Self> {
        Ok(Self { socket: NetlinkSocket::open()?, buffer: vec![0; 32 * 1024] })
    }

    /// Searches only for the end of the answer. Returns bytes, not sockets.
    pub(super) fn dump(&mut self, request: &DumpRequest<'_>) -> io::Result<u64> {
        self.socket.send(&request.encode(SEQUENCE))?;
        let mut bytes = 0;
        loop {
            let length = self.socket.receive(&mut self.buffer)?;
            bytes += length as u64;
            let datagram = self.buffer.get(..length).unwrap_or(&self.buffer);
            if kind_at(datagram, 0) == Some(NLMSG_ERROR) {
                return Err(io::Error::other("the kernel refused the dump"));
            }
            // The end comes in its own datagram, or as the last message of one.
            if length.checked_sub(END).and_then(|at| datagram.get(at..)).is_some_and(is_end) {
                return Ok(bytes);
            }
        }
    }
}

/// `nlmsg_type` of the message at `at`.
fn kind_at(datagram: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes([*datagram.get(at + 4)?, *datagram.get(at + 5)?]))
}

/// Whether these bytes, the last of a datagram, are the message that ends a dump and not the tail
/// of a socket's record.
fn is_end(tail: &[u8]) -> bool {
    let sequence = tail.get(8..12) == Some(&SEQUENCE.to_ne_bytes());
    let length = tail.get(..4) == Some(&(END as u32).to_ne_bytes());
    length && sequence && kind_at(tail, 0) == Some(NLMSG_DONE)
}
