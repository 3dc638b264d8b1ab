//! `stats`, `explain` and `sysctl` as a user runs them.

mod advice;
mod command;
mod explain;
mod files;
mod golden;
mod namespace;
mod nstat;
mod repeat;
mod sysctl;
mod unread;
