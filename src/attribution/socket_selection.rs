//! The sockets that a filter selects.

use crate::identity::{Identified, ServiceId};
use crate::model::Socket;
use crate::monitor::{Identities, Identity, Level, Namespace, SocketFilter};

/// A filter on the sockets of a namespace. Those that it does not pass are attributed to one service
/// of their own, so that the parts of a counter still add up.
#[derive(Debug, Clone)]
pub struct SocketSelection {
    filter: SocketFilter,
    namespace: Namespace,
    others: ServiceId,
}

impl SocketSelection {
    /// The name of the service that all other sockets are attributed to.
    pub const OTHERS: &str = "(not selected)";

    /// The sockets of this namespace that a filter passes; `others` is the service of the rest.
    pub fn new(filter: SocketFilter, namespace: Namespace, others: ServiceId) -> Self {
        Self { filter, namespace, others }
    }

    /// What has to be known of a socket to decide.
    pub(super) fn level(&self) -> Level {
        self.filter.level()
    }

    /// The service of a socket of which too little is known.
    pub(super) fn others(&self) -> ServiceId {
        self.others
    }

    /// The service that a socket is attributed to.
    pub(super) fn of_socket(
        &self,
        socket: &Socket,
        identity: &Identity<'_>,
        identified: Identified,
    ) -> Identified {
        let passes = self.filter.passes(socket, &self.namespace, identity);
        self.chosen(passes, identified)
    }

    /// The same for a socket that no dump has shown.
    pub(super) fn of_destroyed(
        &self,
        event: &Socket,
        identities: &mut Identities<'_>,
        identified: Identified,
    ) -> Identified {
        let passes = self.filter.passes_destroyed(event, &self.namespace, identities);
        self.chosen(passes, identified)
    }

    fn chosen(&self, passes: bool, identified: Identified) -> Identified {
        if passes { identified } else { Identified { service: self.others, ..identified } }
    }
}
