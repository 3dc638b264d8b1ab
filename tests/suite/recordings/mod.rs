//! Recordings: written items are read back, damaged files end with a clear message, and other
//! programs can read them.

mod anonymise;
mod behind_each_other;
mod bombs;
mod captures;
mod clocks;
pub mod command;
pub mod content;
mod convert;
mod damage;
mod diff;
mod early_end;
mod fixtures;
mod groups;
mod hostile;
mod keys;
mod many_holders;
mod namespaces;
mod narrowing;
mod overwriting;
mod refusals;
mod replay;
mod ring;
mod rotation;
mod sessions;
mod tables;
mod tshark;
