//! The predicates of an expression.

use std::cmp::Ordering;

use ipnet::IpNet;

use super::amount::Amount;
use super::pattern::Pattern;
use crate::model::{Field, Role, StateSet};
use crate::wire::bytecode::Side;

/// A comparison of two numbers.
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
    /// The operator of a word: `eq`, `neq`, `ge`, ...
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

    /// Whether it holds for this order of the left side and the right one.
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

/// The family of a socket. An IPv6 socket with a v4-mapped address is IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `AF_INET`
    V4,
    /// `AF_INET6`
    V6,
}

/// An attribute of a socket that may be unknown.
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

/// A comparison of a field of the catalogue.
#[derive(Debug, Clone, Copy)]
pub struct FieldTest {
    /// The field.
    pub field: &'static Field,
    /// The comparison.
    pub op: Comparison,
    /// The value.
    pub amount: Amount,
}

impl PartialEq for FieldTest {
    fn eq(&self, other: &Self) -> bool {
        // Names are unique in the catalogue.
        (self.field.name, self.op, self.amount) == (other.field.name, other.op, other.amount)
    }
}

/// One predicate. False for a socket that lacks the attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicate {
    /// In one of these states.
    State(StateSet),
    /// Of this family.
    Family(Family),
    /// An address within a prefix; without a side either one. An IPv4 prefix
    /// matches v4-mapped IPv6 addresses too, as in the kernel.
    Prefix {
        /// The end.
        side: Option<Side>,
        /// The prefix.
        net: IpNet,
    },
    /// Compares a port; without a side either one, except that [`Comparison::Different`] then has to
    /// hold for both.
    Port {
        /// The end.
        side: Option<Side>,
        /// The comparison.
        op: Comparison,
        /// The value.
        port: u16,
    },
    /// Bound to the interface of this index, 0 for none.
    Interface(u32),
    /// `mark & mask == value`. The kernel sends marks to holders of CAP_NET_ADMIN only; an absent mark
    /// counts as 0.
    Mark {
        /// The value of the masked mark.
        value: u32,
        /// The bits to compare.
        mask: u32,
    },
    /// Created in the cgroup of this id; an absent id counts as 0.
    Cgroup(u64),
    /// Created in a cgroup whose path matches.
    CgroupPath(Pattern),
    /// Whether the kernel chose the local port. Only the kernel's filter program can decide it: here
    /// it is true for every socket. Allowed only in the topmost conjunction.
    AutoBound(bool),
    /// Compares a field of the catalogue.
    Field(FieldTest),
    /// The role of the socket.
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
    /// Whether an attribute is known.
    Known(Attribute),
}
