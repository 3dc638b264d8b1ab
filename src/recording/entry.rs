//! What a recording consists of.

use super::Note;

/// Which way a datagram went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
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
    /// Which way it went.
    pub way: Way,
    /// As sent or received.
    pub bytes: &'a [u8],
}

/// One entry of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// What was said to the kernel, or by it.
    Datagram(Datagram<'a>),
    /// What this program noted.
    Note(Note<'a>),
}
