//! tcpdiag asks the kernel for every TCP socket and says what it means.
//!
//! Kernel bytes become views in [`wire`] and rows in [`model`]. [`socket_diag`] asks for them,
//! [`procfs`] adds who holds them, [`tracking`] turns polls into deltas, [`attribution`] divides the
//! host's counters among services and [`diagnosis`] judges. [`report`] holds the documents,
//! [`output`] writes them. Beside them stand the system's own [`counters`] and [`settings`],
//! recordings in [`recording`], and readings of the past in [`history`]. A module imports only
//! modules that come before it in that order.

pub mod attribution;
pub mod cli;
pub mod counters;
pub mod diagnosis;
pub mod filter;
pub mod history;
pub mod model;
pub mod output;
pub mod procfs;
pub mod recording;
pub mod report;
pub mod settings;
pub mod socket_diag;
pub mod sys;
pub mod tracking;
pub mod wire;
