//! Recordings: written items are read back, damaged files end with a clear message, and other
//! programs can read them.

mod anonymise;
mod captures;
mod command;
mod content;
mod convert;
mod damage;
mod diff;
mod early_end;
mod fixtures;
mod keys;
mod namespaces;
mod narrowing;
mod refusals;
mod replay;
mod ring;
mod rotation;
mod sessions;
mod tshark;
