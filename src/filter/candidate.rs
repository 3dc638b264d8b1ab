//! What an expression is evaluated on.

use crate::model::{Role, Socket};

/// One process that holds a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process<'a> {
    /// Process id.
    pub pid: u32,
    /// Its name, as the kernel keeps it.
    pub comm: &'a str,
    /// The systemd unit it runs in.
    pub unit: Option<&'a str>,
    /// The container it runs in.
    pub container: Option<&'a str>,
}

/// Who holds a socket, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    /// Not looked up yet.
    Pending,
    /// Looked up, and kept from us.
    Hidden,
    /// These processes.
    Known(&'a [Process<'a>]),
    /// No process.
    None,
}

/// A socket and what is known around it.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The row.
    pub socket: &'a Socket,
    /// Which end of its connection it is.
    pub role: Role,
    /// The service it counts to.
    pub service: Option<&'a str>,
    /// Name of its network namespace, where it has one.
    pub netns: Option<&'a str>,
    /// Inode of its network namespace.
    pub netns_inode: u64,
    /// Path of the cgroup it was made in.
    pub cgroup_path: Option<&'a str>,
    /// Who holds it.
    pub owner: Owner<'a>,
}
