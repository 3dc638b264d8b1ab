//! Comparison of two recordings, or of two spans of one: what services did, and what hosts counted.
//!
//! Contains the measures that services are compared by, and the test for chance. Does not choose
//! files and formats no output.

mod compare;
mod error;
mod measure;
mod side;
mod source;
mod span;

pub use compare::compare;
pub use side::{Side, SideReader};
pub use source::{SideError, SideSource};
pub use span::Span;
