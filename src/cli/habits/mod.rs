//! What people type who know other tools, and what they are answered.

mod arguments;
mod meant;
mod ss;
mod start;

pub(super) use meant::meant;
pub(super) use ss::SsCommand;
pub(super) use start::start;
