//! The entries of a recording.

use super::Note;

/// Whether a datagram was sent or received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the kernel.
    Received,
    /// To the kernel.
    Sent,
}

/// A netlink datagram of the sock_diag family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// The recording's interface, which stands for a network namespace.
    pub interface: u32,
    /// Whether it was sent or received.
    pub direction: Direction,
    /// As sent or received.
    pub bytes: &'a [u8],
}

/// One entry of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A message to the kernel, or from it.
    Datagram(Datagram<'a>),
    /// A note of this program.
    Note(Note<'a>),
    /// Another recording begins in the same file, of the same boot. Its interfaces are its own.
    Recording,
}
