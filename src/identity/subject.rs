//! Sockets whose service is asked for, and what is found.

use super::basis::ServiceBasis;
use super::key::ServiceId;
use super::owner::Owner;
use crate::model::{Endpoint, Role, RoleBasis, Socket, State};

/// A socket whose service is requested.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Own end.
    pub local: Endpoint,
    /// The peer's end.
    pub remote: Endpoint,
    /// Interface it is bound to, 0 for none.
    pub interface: u32,
    /// The owner of the socket itself; without a process where none was looked up or none holds it.
    pub owner: Owner<'a>,
    /// Whether the owner's process holds the socket.
    pub is_held: bool,
    /// Whether it is known to wait in the listener's queue: only the listener can have it.
    pub is_queued: bool,
}

impl<'a> Subject<'a> {
    /// The subject for a socket with this owner.
    pub fn new(socket: &Socket, owner: Owner<'a>, is_held: bool) -> Self {
        let Socket { local, remote, interface, inode, .. } = *socket;
        let is_open = matches!(socket.state, State::Established | State::CloseWait);
        let is_queued = inode == 0 && is_open;
        Self { local, remote, interface, owner, is_held, is_queued }
    }
}

/// The identity of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identified {
    /// Its role.
    pub role: Role,
    /// The evidence for the role.
    pub role_basis: RoleBasis,
    /// Its service.
    pub service: ServiceId,
    /// What the service's name rests on.
    pub service_basis: ServiceBasis,
    /// Whether owner, role and service are beyond doubt.
    pub is_certain: bool,
}

/// Whether a socket's holder has to be looked up to name its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// It does not matter.
    Needless,
    /// It does.
    Needed,
    /// It is one of a sample of a listener's connections.
    Sample,
    /// It depends on the others that are being looked up.
    Await,
}
