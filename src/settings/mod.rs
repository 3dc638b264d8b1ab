//! The kernel's settings for TCP: what each one means, its value, and values that contradict.
//!
//! Knows `/proc/sys/net` and the table of settings (`settings.toml`). Refuses to know sockets:
//! what contradictions need of them comes as numbers.

mod conflict;
mod rules;
mod setting;
mod values;

pub use conflict::{Conflict, Use, conflicts};
pub use setting::{Earlier, Scope, Setting};
pub use values::{Value, Values};
