//! TCP sockets of a Linux host, read from the kernel, and the services that its TCP counters belong
//! to. The program `tcpdiag` is made of this library.
//!
//! - [`Snapshot`]: all sockets at one time, with role, service and the processes that hold them.
//! - [`Monitor`]: what happened between polls: what each service did, and its part in the growth of
//!   every TCP counter of the host.
//! - [`Recording`]: both of files that `tcpdiag record` wrote.
//! - [`Filter`]: which sockets, in the language of `ss`.
//!
//! ```
//! use tcpdiag::{Filter, Snapshot, SnapshotOptions};
//!
//! let filter = Filter::parse("rtt > 50ms and total_retrans > 0")?;
//! let snapshot = Snapshot::take(&SnapshotOptions::new().filter(filter))?;
//! for row in &snapshot.rows {
//!     let service = row.service.as_deref().unwrap_or("-");
//!     println!("{} {} {service} {:?} {:?}", row.local(), row.remote(), row.rtt(), row.retransmits());
//! }
//! # Ok::<(), tcpdiag::Error>(())
//! ```
//!
//! # Features
//! `cli`, on by default, is the program. `default-features = false` leaves the library alone,
//! without the crates that only the command line needs.
//!
//! # Privileges
//! None for the sockets and counters of the caller's own network namespace. More with:
//!
//! | capability | adds |
//! | --- | --- |
//! | CAP_SYS_PTRACE | owners that run as other users, and with them the names of services |
//! | CAP_SYS_ADMIN | other network namespaces |
//! | CAP_NET_ADMIN | marks, MD5 peers, and a receive buffer for destroy events beyond `net.core.rmem_max` |
//!
//! What is missing for lack of privilege is named in [`Quality::permission_limited`], and is never
//! shown as zero or as "none".
//!
//! # Kernels
//! Linux 4.9 and later; it is tested on 5.10, 6.1, 6.12, 6.18 and 7.2. A figure that a kernel
//! does not have is absent ([`Reading::Absent`], `None`). [`Figure::since`] says which kernel has
//! it first.

mod api;

pub use api::{
    AcceptQueues, CounterPart, CounterRow, Error, Figure, Filter, Interval, Intervals, Monitor,
    MonitorOptions, Owner, Owners, Recording, RecordingOptions, ServiceRow, ServiceRules, Snapshot,
    SnapshotOptions, Snapshots, SocketRow,
};
pub use attribution::{Class, Coverage, Reason};
pub use identity::ServiceBasis;
pub use model::{Reading, Role, RoleBasis, State, Unit};
pub use monitor::{Namespace, Quality, WallClockStep};

// Internal, and without any stability. They are public for this crate's own tests, benchmarks and
// fuzz targets only.
//
// Kernel bytes become views in `wire` and rows in `model`. `socket_diag` asks for them, `procfs`
// adds the processes that hold them, `identity` names roles and services, `tracking` turns polls
// into deltas. `monitor` polls namespaces or replays a `recording`, and delivers to consumers:
// `attribution` divides the host's `counters` among services, `diagnosis` judges. `report` holds the
// documents, `output` writes them. `settings` are the host's, `history` and `comparison` are
// readings of the past, `text` has patterns and suggestions of names. A module imports only modules
// that come before it in the order of `tests/architecture.rs`.
#[doc(hidden)]
pub mod attribution;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[cfg_attr(
    not(feature = "cli"),
    allow(dead_code, unused_imports, reason = "the command line uses the rest of it")
)]
pub(crate) mod comparison;
#[doc(hidden)]
pub mod config;
#[doc(hidden)]
pub mod counters;
#[doc(hidden)]
pub mod diagnosis;
#[doc(hidden)]
pub mod filter;
#[cfg_attr(
    not(feature = "cli"),
    allow(dead_code, unused_imports, reason = "the command line uses the rest of it")
)]
pub(crate) mod history;
#[doc(hidden)]
pub mod identity;
#[doc(hidden)]
pub mod model;
#[doc(hidden)]
pub mod monitor;
#[doc(hidden)]
pub mod output;
#[doc(hidden)]
pub mod procfs;
#[doc(hidden)]
pub mod recording;
#[doc(hidden)]
pub mod report;
#[doc(hidden)]
pub mod settings;
#[doc(hidden)]
pub mod socket_diag;
#[doc(hidden)]
pub mod sys;
pub(crate) mod text;
#[doc(hidden)]
pub mod tracking;
#[doc(hidden)]
pub mod wire;
