//! The filter on the sockets of a consumer.

use super::consumer::{Identities, Identity, Level};
use super::quality::Namespace;
use super::socket_intervals::Observation;
use crate::filter::{Candidate, Expr, Known, Needs, Owner, Service, Verdict};
use crate::model::Socket;

/// A filter expression, evaluated as more and more is known of a socket.
#[derive(Debug, Clone)]
pub struct SocketFilter {
    expr: Expr,
    needs: Needs,
    level: Level,
}

impl SocketFilter {
    /// Passes the sockets for which this holds.
    pub fn new(expr: Expr) -> Self {
        let needs = expr.needs();
        let level = if needs.owner {
            Level::Processes
        } else if needs.service || needs.cgroup_path {
            Level::Service
        } else if needs.role {
            Level::Role
        } else {
            Level::Nothing
        };
        Self { expr, needs, level }
    }

    /// Whether every socket passes.
    pub fn passes_all(&self) -> bool {
        matches!(self.expr, Expr::True)
    }

    /// What has to be known of a socket to decide.
    pub fn level(&self) -> Level {
        self.level
    }

    /// What the expression needs.
    pub fn needs(&self) -> &Needs {
        &self.needs
    }

    /// Whether a socket passes by its own figures: [`Verdict::Unknown`] where that depends on
    /// its role, service or owner.
    #[inline]
    pub fn by_figures(&self, socket: &Socket, namespace: &Namespace) -> Verdict {
        if self.passes_all() {
            return Verdict::Yes;
        }
        self.expr.eval(&candidate(socket, namespace, None))
    }

    /// Whether a fully identified socket passes.
    pub fn passes(&self, socket: &Socket, namespace: &Namespace, identity: &Identity<'_>) -> bool {
        if self.passes_all() {
            return true;
        }
        let key = identity.identified.and_then(|it| identity.registry.key(it.service));
        let processes = identity.owner.for_filter();
        let owner = match identity.owner.filter_owner(&processes) {
            // Not looked up because it does not matter.
            Owner::Pending if !self.needs.owner => Owner::None,
            owner => owner,
        };
        let known = Known {
            role: identity.role,
            service: key.map(|key| Service { name: &key.name, bare: &key.bare }),
            cgroup_path: identity.owner.cgroup_path,
            owner,
        };
        self.expr.eval(&candidate(socket, namespace, Some(known))) == Verdict::Yes
    }

    /// Whether a socket passes of which this is known.
    pub fn passes_known(&self, socket: &Socket, namespace: &Namespace, known: Known<'_>) -> bool {
        self.passes_all()
            || self.expr.eval(&candidate(socket, namespace, Some(known))) == Verdict::Yes
    }

    /// Whether a socket of a recording passes.
    pub fn passes_observation(&self, seen: &Observation<'_>) -> bool {
        if self.passes_all() {
            return true;
        }
        let processes = seen.owner.for_filter();
        let service = seen.service.map(|(_, key)| Service { name: &key.name, bare: &key.bare });
        let known = Known {
            role: seen.role.0,
            service,
            cgroup_path: seen.owner.cgroup_path,
            owner: seen.owner.filter_owner(&processes),
        };
        self.expr.eval(&candidate(seen.socket, seen.namespace, Some(known))) == Verdict::Yes
    }

    /// Whether a socket passes that is only known from its destroy event, without an owner.
    pub fn passes_destroyed(
        &self,
        event: &Socket,
        namespace: &Namespace,
        identities: &mut Identities<'_>,
    ) -> bool {
        if self.passes_all() {
            return true;
        }
        let identified = identities.identify_destroyed(event);
        let key = identities.registry.key(identified.service);
        let known = Known {
            role: identified.role,
            service: key.map(|key| Service { name: &key.name, bare: &key.bare }),
            cgroup_path: None,
            owner: Owner::Pending,
        };
        self.expr.eval(&candidate(event, namespace, Some(known))) == Verdict::Yes
    }
}

fn candidate<'a>(
    socket: &'a Socket,
    namespace: &'a Namespace,
    known: Option<Known<'a>>,
) -> Candidate<'a> {
    let netns = namespace.name.as_deref();
    Candidate { socket, netns, netns_inode: namespace.inode, known }
}
