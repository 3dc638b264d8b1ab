//! The filter language: that of ss, and every field of the catalogue.
//!
//! A text is parsed to an [`Expr`]. The part that the kernel can decide becomes a [`Plan`]; the whole
//! expression is then evaluated in user space. The parser looks up services, interfaces, cgroups and
//! users through [`Names`], so that nothing here does I/O.
//!
//! # Grammar
//! ```text
//! expression  = conjunction { ("or" | "|" | "||") conjunction }
//! conjunction = negation { ["and" | "&" | "&&"] negation }
//! negation    = ("not" | "!") negation | "(" expression ")" | predicate
//! predicate   = { ("state" | "exclude") STATE }       a sequence of them is one set
//!             | ("src" | "dst" | "addr") ["=" | "!="] HOST
//!             | ("sport" | "dport" | "port") [OP] [FAMILY:][":"]PORT
//!             | "dev" ["=" | "!="] INTERFACE
//!             | "fwmark" ["=" | "!="] VALUE["/"MASK]
//!             | "cgroup" ["=" | "!="] PATH
//!             | "autobound"
//!             | ("family" | "role" | "pid" | "netns") ("=" | "!=") VALUE
//!             | ("user" | "uid") OP USER
//!             | ("comm" | "unit" | "container" | "service" | "congestion") ("=" | "!=") PATTERN
//!             | FIELD OP NUMBER[UNIT]
//!             | FIELD | "pid" | "comm" | "unit" | "container" | "service" | "congestion"
//! ```
//! `HOST` is `[FAMILY:]ADDRESS[%INTERFACE][/LENGTH][:PORT]`, as ss prints it. With an interface, the
//! socket has to be bound to it, as the kernel binds sockets with link-local addresses. `INTERFACE`
//! is a name or an index. A name means the interface of that name in each network namespace, and an
//! index the same number in all of them.
//!
//! `OP` is one of `= == eq != ne neq > gt < lt >= ge geq <= le leq`. Text with
//! blanks or operators needs quotes, single or double. `*` in a pattern matches anything.
//!
//! # Absent values
//! For a socket without a field, or with the kernel's value for "none", every comparison with the field
//! is false, `!=` too: absent is neither zero nor another value. `not (rtt > 50ms)` is true for it. The
//! same holds for owners, services and other names. A field alone is true if it is above zero, a name
//! alone if it is known.
//!
//! # States
//! `state` and `exclude` in a row make one set, as in ss: `state listening state time-wait` is either,
//! `state connected exclude time-wait` is the difference. With `and` between them, each is a condition
//! of its own. See [`Expr::plan`] for the states of an expression without them.

mod amount;
mod candidate;
mod error;
mod evaluate;
mod expr;
#[cfg(test)]
mod fixture;
mod host;
mod lexer;
mod parser;
mod pattern;
mod plan;
mod predicate;
mod predicate_plan;
#[cfg(test)]
mod properties;
mod terms;

pub use amount::{Amount, parse_rate};
pub use candidate::{Candidate, Known, Owner, Process, Service};
pub use error::{Span, SyntaxError};
pub use evaluate::Verdict;
pub use expr::{Expr, Needs};
pub use host::split_zone;
pub use pattern::Pattern;
pub use plan::{Plan, PlanOptions};
pub use predicate::{Attribute, Comparison, Family, FieldTest, Predicate};
pub use terms::{begins_expression, is_subject};

pub use crate::wire::bytecode::Side;

/// The index of an interface. Network namespaces count their interfaces apart from each other, so
/// that the same index means another interface in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct InterfaceIndex {
    /// The network namespace in which it has the index, by inode; `None` if the expression is about
    /// one namespace only.
    pub netns: Option<u64>,
    /// The index (`ifindex`), from 1.
    pub index: u32,
}

/// Looks up the names in an expression.
pub trait Names {
    /// The port of a service (`/etc/services`).
    fn port(&self, service: &str) -> Option<u16>;
    /// The interfaces of this name; none if there is none.
    fn interface(&self, name: &str) -> Vec<InterfaceIndex>;
    /// The names of all interfaces, for an error message.
    fn interfaces(&self) -> Vec<String> {
        Vec::new()
    }
    /// The ids of the cgroup of this path: several if it was made again. None if there is none.
    fn cgroup(&self, path: &str) -> Vec<u64>;
    /// The id of a user.
    fn user(&self, name: &str) -> Option<u32>;
}

/// Knows no name.
#[derive(Debug, Clone, Copy)]
pub struct NoNames;

impl Names for NoNames {
    fn port(&self, _: &str) -> Option<u16> {
        None
    }

    fn interface(&self, _: &str) -> Vec<InterfaceIndex> {
        Vec::new()
    }

    fn cgroup(&self, _: &str) -> Vec<u64> {
        Vec::new()
    }

    fn user(&self, _: &str) -> Option<u32> {
        None
    }
}

/// Parses an expression. An empty one matches every socket.
///
/// # Errors
/// [`SyntaxError`], for the first syntax error or unknown name.
pub fn parse(text: &str, names: &dyn Names) -> Result<Expr, SyntaxError> {
    parser::expression(host::Scope { text, names }).map_err(|fault| fault.within(text))
}

/// The sockets that are bound to an interface, which is given by name or index. A name means the
/// interface of that name in each network namespace, an index the same number in all of them.
///
/// # Errors
/// [`SyntaxError`] if there is none.
pub fn interface(text: &str, names: &dyn Names) -> Result<Expr, SyntaxError> {
    host::Scope { text, names }.interface(text).map_err(|fault| fault.within(text))
}

#[cfg(test)]
mod tests;
