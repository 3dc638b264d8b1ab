//! The kernel's settings for TCP: their meanings, values and contradictions.
//!
//! Contains `/proc/sys/net` and the table of settings (`settings.toml`). It does not read sockets:
//! the figures of sockets that contradictions need come from the caller.

mod conflict;
pub mod fullness;
mod rules;
mod setting;
mod values;

pub use conflict::{Conflict, Use, conflict_advice, conflicts};
pub use setting::{Earlier, Scope, Setting};
pub use values::{Value, Values, is_setting};
