//! Patterns, misspellings and escapes of names, numbers with units, and lengths of time. Knows nothing of
//! what they are of.

pub mod escape;
pub mod glob;
pub mod human;
mod interval;
mod suggest;

pub use interval::parse_interval;
pub use suggest::{nearest, suggest};
