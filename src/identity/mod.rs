//! The identity of a socket: which end of its connection it is, its holder and its service.
//!
//! Every command uses it, live and for recordings, so that the same socket has the same role, owner
//! and service everywhere. Knows listeners, holders and naming rules. Does no I/O.
//!
//! A [`NamespaceIdentity`] holds what is known of one network namespace, a [`ServiceRegistry`] the
//! services of the whole run.

mod basis;
mod ephemeral;
mod group_name;
mod key;
mod listeners;
mod namespace;
mod naming;
mod owner;
mod registry;
mod rules;
mod sharing;
mod subject;
mod trust;

pub use basis::ServiceBasis;
pub use ephemeral::{DEFAULT_EPHEMERAL, ephemeral_range};
pub use key::{Grouping, ServiceId, ServiceKey};
pub use listeners::{ListenAddress, ListenerGroup, Listeners};
pub use namespace::NamespaceIdentity;
pub use owner::Owner;
pub use registry::ServiceRegistry;
pub use rules::{Rule, Rules, RulesError};
pub use sharing::roles_by_shared_ports;
pub use subject::{Identified, Lookup, Subject};
