//! The kernel's socket filter programs (`INET_DIAG_REQ_BYTECODE`,
//! net/ipv4/inet_diag.c): operations, an assembler ([`assemble()`]), a [`verify()`] that
//! accepts what the kernel's audit accepts, and an [`accepts`] that runs a
//! program as the kernel does.
//!
//! A program is a sequence of conditions. A true one advances by `yes` bytes, a false one by `no`
//! bytes. Reaching the end exactly accepts the socket; reaching four bytes behind the end rejects it.
//! All jumps go forward.

mod assemble;
mod hosts;
mod interpret;
mod verify;

use std::net::IpAddr;

pub use assemble::{TooLong, assemble};
pub use hosts::map_hosts;
pub use interpret::{Subject, accepts};
pub use verify::{Invalid, verify};

/// The end of a connection that a condition is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The socket's own address and port.
    Local,
    /// The peer's address and port.
    Remote,
}

/// A condition that the kernel can decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Port at least this.
    PortAtLeast(Side, u16),
    /// Port at most this.
    PortAtMost(Side, u16),
    /// Port equal to this (4.19 and later).
    PortIs(Side, u16),
    /// The local port was chosen by the kernel, not by `bind()`.
    AutoBound,
    /// Address within a prefix. An IPv4 prefix matches v4-mapped IPv6
    /// addresses too.
    Prefix(Side, IpAddr, u8),
    /// Bound to the interface of this index, 0 for none (4.19 and later).
    Interface(u32),
    /// `mark & mask == value`; the kernel requires CAP_NET_ADMIN (4.19 and later).
    Mark {
        /// The value of the masked mark.
        value: u32,
        /// The bits to compare.
        mask: u32,
    },
    /// Created in the cgroup of this id (5.10 and later).
    Cgroup(u64),
}

/// A formula over conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Formula {
    /// Holds for every socket.
    True,
    /// Holds for none.
    False,
    /// One condition.
    Is(Condition),
    /// The opposite.
    Not(Box<Formula>),
    /// All hold.
    And(Vec<Formula>),
    /// At least one holds.
    Or(Vec<Formula>),
}
