//! Random scenes: paths, programs and troubles drawn from a seed, what really happened in them,
//! and what is therefore true.
//!
//! [`Scene::draw`] draws one, [`play`] plays it, and [`truth`] says which statements about it are
//! true and which of them an expert would demand. None of these asks tcpdiag.

mod draw;
mod observed;
mod play;
mod programs;
mod ratios;
mod scene;
mod statement;
mod truth;

#[cfg(test)]
mod tests;

pub use observed::{Observed, at_least};
pub use play::{Medium, Outcome, play};
pub use ratios::behind;
pub use scene::{Scene, Traffic, Trouble};
pub use statement::Statement;
pub use truth::{Claim, truth};
