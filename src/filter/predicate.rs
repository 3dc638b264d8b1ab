//! The questions that can be asked of one socket.

use std::cmp::Ordering;

use ipnet::IpNet;

use super::amount::Amount;
use super::pattern::Pattern;
use crate::model::{Field, Role, StateSet};
use crate::wire::bytecode::Side;

/// How two numbers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    Different,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

impl Comparison {
    /// What the word form of an operator means: `eq`, `neq`, `ge`, ...
    pub(super) fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "eq" => Self::Equal,
            "ne" | "neq" => Self::Different,
            "lt" => Self::Less,
            "le" | "leq" => Self::AtMost,
            "gt" => Self::Greater,
            "ge" | "geq" => Self::AtLeast,
            _ => return None,
        })
    }

    /// Whether it holds where the left side stands so to the right one.
    pub(super) fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Different => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

/// The family of a socket. One that carries IPv4 over an IPv6 socket is IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `AF_INET`
    V4,
    /// `AF_INET6`
    V6,
}

/// What may be known of a socket or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribute {
    /// A process that holds it.
    Process,
    /// A process with a systemd unit.
    Unit,
    /// A process in a container.
    Container,
    /// Its service.
    Service,
    /// Its congestion control.
    Congestion,
    /// The path of its cgroup.
    CgroupPath,
}

/// A field of the catalogue and what it is compared with.
#[derive(Debug, Clone, Copy)]
pub struct FieldTest {
    /// What is compared.
    pub field: &'static Field,
    /// How.
    pub op: Comparison,
    /// With what.
    pub amount: Amount,
}

impl PartialEq for FieldTest {
    fn eq(&self, other: &Self) -> bool {
        // Names are unique in the catalogue.
        (self.field.name, self.op, self.amount) == (other.field.name, other.op, other.amount)
    }
}

/// One question. Where a socket lacks what is asked for, the answer is no.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicate {
    /// In one of these states.
    State(StateSet),
    /// Of this family.
    Family(Family),
    /// An address within a prefix; without a side either one. An IPv4 prefix
    /// matches v4-mapped IPv6 addresses too, as in the kernel.
    Prefix {
        /// Which end.
        side: Option<Side>,
        /// The prefix.
        net: IpNet,
    },
    /// A port compared; without a side either one, but for
    /// [`Comparison::Different`], which then has to hold for both.
    Port {
        /// Which end.
        side: Option<Side>,
        /// How.
        op: Comparison,
        /// With what.
        port: u16,
    },
    /// Bound to the interface of this index, 0 for none.
    Interface(u32),
    /// `mark & mask == value`. Only the holder of CAP_NET_ADMIN is told marks;
    /// a socket without one counts as marked 0.
    Mark {
        /// What the masked mark has to be.
        value: u32,
        /// Which bits count.
        mask: u32,
    },
    /// Made in the cgroup of this id; a socket without one counts as in 0.
    Cgroup(u64),
    /// Made in a cgroup whose path matches.
    CgroupPath(Pattern),
    /// Whether the kernel chose the local port. Nothing tells but the kernel's
    /// own filter program: here every socket passes. To be used only as part
    /// of the topmost conjunction.
    AutoBound(bool),
    /// A field of the catalogue compared.
    Field(FieldTest),
    /// Which end of its connection it is.
    Role(Role),
    /// Owner's user id.
    Uid(u32),
    /// Held by the process of this id.
    Pid(u32),
    /// Held by a process whose name matches.
    Comm(Pattern),
    /// Held by a process whose systemd unit matches.
    Unit(Pattern),
    /// Held by a process whose container matches.
    Container(Pattern),
    /// Its service matches.
    Service(Pattern),
    /// Its congestion control matches.
    Congestion(Pattern),
    /// The name of its network namespace matches.
    NetnsName(Pattern),
    /// In the network namespace of this inode.
    NetnsInode(u64),
    /// Whether something is known at all.
    Known(Attribute),
}
