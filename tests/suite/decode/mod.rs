//! Captures of five kernels, read by the code under test.
//!
//! `fixtures/MANIFEST.md` describes the captures. Nothing here depends on the
//! running kernel, so every test passes everywhere, unprivileged.

mod attributes;
pub mod capture;
mod destroy_events;
mod getsockopt;
mod lengths;
mod manifest;
mod opener;
mod oracle;
mod replay;
mod robustness;
mod robustness_of_programs;
mod roles;
pub mod script;
mod sha256;
mod ss;
mod ss_figures;
