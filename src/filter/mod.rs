//! The filter language: the one that ss users know, and every field of the
//! catalogue besides.
//!
//! Text becomes an [`Expr`]. What the kernel can decide of it becomes a
//! [`Plan`]; the whole of it is then evaluated in user space. Names of
//! services, interfaces, cgroups and users are looked up through [`Names`]
//! while reading, so that nothing here does I/O. Knows nothing of output.
//!
//! # Grammar
//! ```text
//! expression  = conjunction { ("or" | "|" | "||") conjunction }
//! conjunction = negation { ["and" | "&" | "&&"] negation }
//! negation    = ("not" | "!") negation | "(" expression ")" | predicate
//! predicate   = { ("state" | "exclude") STATE }       a row of them is one set
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
//! `OP` is one of `= == eq != ne neq > gt < lt >= ge geq <= le leq`. Text with
//! blanks or signs in it goes between quotes of either kind. `*` in a pattern
//! stands for anything.
//!
//! # What is not there
//! A socket that lacks a field, or whose value is the kernel's word for
//! "none", fails every comparison with it, `!=` too: absent is neither zero
//! nor another value. `not (rtt > 50ms)` on the other hand holds for it. The
//! same goes for owners, services and other names. A field alone asks whether
//! it is above zero, a name alone whether it is known.
//!
//! # States
//! A row of `state` and `exclude` with nothing between is one set, as in ss:
//! `state listening state time-wait` is either, `state connected exclude
//! time-wait` is the difference. With `and` between, each is a condition of
//! its own. See [`Expr::plan`] for the states of an expression without them.

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
#[cfg(test)]
mod properties;
mod terms;

pub use amount::Amount;
pub use candidate::{Candidate, Owner, Process};
pub use error::{Span, SyntaxError};
pub use evaluate::Verdict;
pub use expr::{Expr, Needs};
pub use pattern::Pattern;
pub use plan::{Plan, PlanOptions};
pub use predicate::{Attribute, Comparison, Family, FieldTest, Predicate};

pub use crate::wire::bytecode::Side;

/// Where the names in an expression are looked up.
pub trait Names {
    /// The port of a service (`/etc/services`).
    fn port(&self, service: &str) -> Option<u16>;
    /// The index of an interface.
    fn interface(&self, name: &str) -> Option<u32>;
    /// The id of a cgroup.
    fn cgroup(&self, path: &str) -> Option<u64>;
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

    fn interface(&self, _: &str) -> Option<u32> {
        None
    }

    fn cgroup(&self, _: &str) -> Option<u64> {
        None
    }

    fn user(&self, _: &str) -> Option<u32> {
        None
    }
}

/// Reads an expression. An empty one means every socket.
///
/// # Errors
/// [`SyntaxError`], at the first place that makes no sense or names something
/// that is not known.
pub fn parse(text: &str, names: &dyn Names) -> Result<Expr, SyntaxError> {
    parser::expression(host::Scope { text, names }).map_err(|fault| fault.within(text))
}

#[cfg(test)]
mod tests;
