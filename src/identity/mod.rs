//! Whose a socket is: which end of its connection it is, who holds it, and which service that is.
//!
//! Every command asks here, live and in a recording, so that the same socket has the same role,
//! owner and service everywhere. Knows listeners, holders and naming rules. Does no I/O.
//!
//! A [`NamespaceIdentity`] holds what is known of one network namespace, a [`ServiceRegistry`] the
//! services of the whole run.

mod basis;
mod ephemeral;
mod key;
mod listeners;
mod namespace;
mod naming;
mod owner;
mod registry;
mod rules;
mod sharing;
mod trust;

pub use basis::ServiceBasis;
pub use ephemeral::{DEFAULT_EPHEMERAL, ephemeral_range};
pub use key::{Grouping, ServiceId, ServiceKey};
pub use listeners::{ListenAddress, ListenerGroup, Listeners};
pub use namespace::{Identified, Lookup, NamespaceIdentity, Subject};
pub use owner::Owner;
pub use registry::ServiceRegistry;
pub use rules::{Rule, Rules, RulesError};
pub use sharing::roles_by_shared_ports;
