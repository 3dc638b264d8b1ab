//! What a socket did in an interval, and which socket that was.

use super::Delta;
use crate::model::{Endpoint, State};

/// What names a socket and its owner; kept from the last snapshot, since the
/// kernel's destroy notifications have no inode, uid and cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Own end.
    pub local: Endpoint,
    /// The peer's end.
    pub remote: Endpoint,
    /// The last state it was seen in.
    pub state: State,
    /// Interface it is bound to, 0 for none.
    pub interface: u32,
    /// Owner's user id.
    pub uid: u32,
    /// Inode of its file, 0 for none.
    pub inode: u32,
    /// Id of the cgroup v2 it was made in.
    pub cgroup_id: Option<u64>,
}

/// One socket's part in an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activity {
    /// The kernel's name for the socket.
    pub cookie: u64,
    /// Which socket it is.
    pub identity: Identity,
    /// What grew by how much.
    pub delta: Delta,
    /// It came to be in this interval.
    pub opened: bool,
    /// It ended in this interval.
    pub closed: bool,
}
