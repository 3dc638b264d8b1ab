//! The input of an evaluation.

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

/// The owner of a socket, as far as known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    /// Not looked up yet.
    Pending,
    /// Looked up, and hidden from this process.
    Hidden,
    /// These processes.
    Known(&'a [Process<'a>]),
    /// Looked up: no process.
    None,
}

/// A service's name, in the forms that people write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service<'a> {
    /// In full: `nginx`, `→ mysql:3306`.
    pub name: &'a str,
    /// Without arrow and port: `mysql`.
    pub bare: &'a str,
}

/// A socket, and what is known of it besides its own figures.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The row.
    pub socket: &'a Socket,
    /// Name of its network namespace, where it has one.
    pub netns: Option<&'a str>,
    /// Inode of its network namespace.
    pub netns_inode: u64,
    /// `None` where it has not been looked up yet.
    pub known: Option<Known<'a>>,
}

/// What is known of a socket besides its own figures.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Which end of its connection it is.
    pub role: Role,
    /// The service it counts to.
    pub service: Option<Service<'a>>,
    /// Path of the cgroup it was made in.
    pub cgroup_path: Option<&'a str>,
    /// Its owner.
    pub owner: Owner<'a>,
}
