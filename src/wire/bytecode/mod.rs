//! The kernel's socket filter programs (`INET_DIAG_REQ_BYTECODE`,
//! net/ipv4/inet_diag.c): operations, an [`assemble`]r, a [`verify`] that
//! accepts what the kernel's audit accepts, and an [`accepts`] that runs a
//! program as the kernel does.
//!
//! A program is a row of conditions. A true one advances by its `yes` bytes, a
//! false one by its `no` bytes; landing exactly on the end accepts the socket,
//! landing four bytes behind it rejects. There are forward jumps only.

mod assemble;
mod hosts;
mod interpret;
mod verify;

use std::net::IpAddr;

pub use assemble::{TooLong, assemble};
pub use hosts::map_hosts;
pub use interpret::{Subject, accepts};
pub use verify::{Invalid, verify};

/// `INET_DIAG_BC_*`.
mod code {
    pub(super) const NOP: u8 = 0;
    pub(super) const JMP: u8 = 1;
    pub(super) const S_GE: u8 = 2;
    pub(super) const S_LE: u8 = 3;
    pub(super) const D_GE: u8 = 4;
    pub(super) const D_LE: u8 = 5;
    pub(super) const AUTO: u8 = 6;
    pub(super) const S_COND: u8 = 7;
    pub(super) const D_COND: u8 = 8;
    pub(super) const DEV_COND: u8 = 9;
    pub(super) const MARK_COND: u8 = 10;
    pub(super) const S_EQ: u8 = 11;
    pub(super) const D_EQ: u8 = 12;
    pub(super) const CGROUP_COND: u8 = 13;
}

/// Length of `struct inet_diag_bc_op`.
const OP: usize = 4;

/// Which end of a connection a condition looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The socket's own address and port.
    Local,
    /// The peer's.
    Remote,
}

/// What the kernel can decide about a socket.
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
    /// `mark & mask == value`; the kernel wants CAP_NET_ADMIN (4.19 and later).
    Mark {
        /// What the masked mark has to be.
        value: u32,
        /// Which bits count.
        mask: u32,
    },
    /// In the cgroup of this id (5.10 and later).
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
