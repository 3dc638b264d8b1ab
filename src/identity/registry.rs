//! The services of a run, numbered in the order in which they were first seen.

use std::hash::{BuildHasher as _, BuildHasherDefault};

use rustc_hash::{FxHashMap, FxHasher};

use super::basis::ServiceBasis;
use super::key::{Grouping, ServiceId, ServiceKey};
use super::naming::{Base, KeptParts, Parts};
use super::rules::Rules;
use crate::model::{Role, RoleBasis};
use crate::procfs::PortNames;

#[derive(Debug)]
struct Kept {
    parts: KeptParts,
    key: ServiceKey,
}

/// The services of a run, in all namespaces: the same service in several namespaces counts as one.
///
/// The caller remembers the number of a socket's service by the socket's cookie, since a destroy
/// event has no owner, and a socket does not change its service because its listener closed.
#[derive(Debug)]
pub struct ServiceRegistry {
    pub(super) rules: Rules,
    pub(super) grouping: Grouping,
    pub(super) ports: PortNames,
    services: Vec<Kept>,
    index: FxHashMap<u64, Vec<ServiceId>>,
}

impl ServiceRegistry {
    /// An empty registry, which names services by these rules and names of ports.
    pub fn new(rules: Rules, grouping: Grouping, ports: PortNames) -> Self {
        Self { rules, grouping, ports, services: Vec::new(), index: FxHashMap::default() }
    }

    /// The names of ports.
    pub fn ports(&self) -> &PortNames {
        &self.ports
    }

    /// What a number stands for.
    pub fn key(&self, id: ServiceId) -> Option<&ServiceKey> {
        self.services.get(id.index()).map(|kept| &kept.key)
    }

    /// Every service so far, in the order of their numbers.
    pub fn services(&self) -> impl Iterator<Item = (ServiceId, &ServiceKey)> {
        self.services.iter().zip(0..).map(|(kept, id)| (ServiceId(id), &kept.key))
    }

    /// A service for what is not told apart, with this name.
    pub fn add_named(&mut self, name: &str) -> ServiceId {
        let parts = Parts { base: Base::Text(name), role: Role::Unknown, port: None, owner: None };
        let (found, new) = self.find(&parts);
        self.enter(found, new, ServiceBasis::Rule, RoleBasis::NotConnected)
    }

    /// The service that these parts name, or what a new one is to be.
    pub(super) fn find(&self, parts: &Parts<'_>) -> (Option<ServiceId>, Option<NewService>) {
        let hash = BuildHasherDefault::<FxHasher>::default().hash_one(parts);
        let bucket = self.index.get(&hash).map_or(&[][..], Vec::as_slice);
        let is = |id: &ServiceId| {
            self.services.get(id.index()).is_some_and(|kept| kept.parts.are(parts))
        };
        match bucket.iter().copied().find(is) {
            Some(id) => (Some(id), None),
            None => {
                let kept = Kept { parts: KeptParts::of(parts), key: parts.key() };
                (None, Some(NewService { hash, kept }))
            }
        }
    }

    /// Counts another socket to a service that [`find`](Self::find) found or made. The bases of the
    /// service become the strongest ones of its sockets.
    pub(super) fn enter(
        &mut self,
        found: Option<ServiceId>,
        new: Option<NewService>,
        basis: ServiceBasis,
        role_basis: RoleBasis,
    ) -> ServiceId {
        // A host does not have 2^30 services.
        let next = u32::try_from(self.services.len()).unwrap_or(ServiceId::MOST);
        let id = found.unwrap_or(ServiceId(next.min(ServiceId::MOST)));
        if let Some(NewService { hash, mut kept }) = new {
            (kept.key.basis, kept.key.role_basis) = (basis, role_basis);
            self.services.push(kept);
            self.index.entry(hash).or_default().push(id);
        }
        if let Some(kept) = self.services.get_mut(id.index()) {
            let key = &mut kept.key;
            key.basis = key.basis.min(basis);
            // Listeners do not show the role of connections.
            let is_firmer = key.role_basis == RoleBasis::Listening
                || role_basis != RoleBasis::Listening && role_basis.rank() < key.role_basis.rank();
            if is_firmer {
                key.role_basis = role_basis;
            }
        }
        id
    }
}

/// A service that is not in the registry yet.
#[derive(Debug)]
pub(super) struct NewService {
    hash: u64,
    kept: Kept,
}
