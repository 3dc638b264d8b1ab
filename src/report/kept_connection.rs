//! A row of a connection that is kept until it can be written.

use super::{Change, Connection, Ended, ListenerGroupEntry};
use crate::identity::ServiceBasis;
use crate::model::{Role, RoleBasis, Socket, State};
use crate::monitor::{Holder, Interface, Namespace, Processes};
use crate::tracking::Delta;

/// A [`Connection`] that owns what it refers to.
#[derive(Debug, Clone)]
pub struct KeptConnection {
    socket: Socket,
    role: Role,
    role_basis: RoleBasis,
    service: Option<Box<str>>,
    service_basis: Option<ServiceBasis>,
    netns: Option<Namespace>,
    interface: Option<(u32, Option<Box<str>>)>,
    cgroup_path: Option<Box<str>>,
    unit: Option<Box<str>>,
    container: Option<Box<str>>,
    /// `None` where they were not looked up, or are hidden.
    holders: Option<Vec<(u32, Box<str>, u32)>>,
    /// Holders that are not known, besides these.
    omitted: u64,
    is_hidden: bool,
    change: Option<Change>,
    repeats: bool,
    delta: Option<Delta>,
    interval_s: Option<f64>,
    syn_recv: Option<u64>,
    group: Option<ListenerGroupEntry>,
    ended: Option<Ended>,
}

impl KeptConnection {
    /// Copies a row.
    pub fn of(row: &Connection<'_>) -> Self {
        let text = |text: Option<&str>| text.map(Into::into);
        let holders = match row.processes {
            Processes::Known { holders, .. } => Some(
                holders.iter().map(|holder| (holder.pid, holder.comm.into(), holder.fd)).collect(),
            ),
            Processes::NotAsked | Processes::Hidden => None,
        };
        let omitted = match row.processes {
            Processes::Known { omitted, .. } => omitted,
            Processes::NotAsked | Processes::Hidden => 0,
        };
        Self {
            socket: *row.socket,
            role: row.role,
            role_basis: row.role_basis,
            service: text(row.service),
            service_basis: row.service_basis,
            netns: row.netns.cloned(),
            interface: row.interface.map(|interface| (interface.index, text(interface.name))),
            cgroup_path: text(row.cgroup_path),
            unit: text(row.unit),
            container: text(row.container),
            holders,
            omitted,
            is_hidden: row.processes == Processes::Hidden,
            change: row.change,
            repeats: row.repeats,
            delta: row.delta.copied(),
            interval_s: row.interval_s,
            syn_recv: row.syn_recv,
            group: row.group,
            ended: row.ended.copied(),
        }
    }

    /// The kernel's figures.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Its namespace, if several are shown.
    pub fn netns(&self) -> Option<&Namespace> {
        self.netns.as_ref()
    }

    /// Whether it is a listener's.
    pub fn is_listener(&self) -> bool {
        self.socket.state == State::Listen
    }

    /// Sets the number of requests in SYN-RECV on this listener.
    pub fn set_requests(&mut self, requests: u64) {
        self.syn_recv = Some(requests);
    }

    /// Sets the SO_REUSEPORT group of this listener.
    pub fn set_group(&mut self, group: ListenerGroupEntry) {
        self.group = Some(group);
    }

    /// Passes the row, of a sample that was taken at `captured_at`.
    pub fn with<R>(&self, captured_at: &str, use_row: impl FnOnce(&Connection<'_>) -> R) -> R {
        let holders = self.holders.iter().flatten();
        let holders: Vec<Holder<'_>> =
            holders.map(|(pid, comm, fd)| Holder { pid: *pid, comm, fd: *fd }).collect();
        let processes = match (&self.holders, self.is_hidden) {
            (Some(_), _) => Processes::Known { holders: &holders, omitted: self.omitted },
            (None, true) => Processes::Hidden,
            (None, false) => Processes::NotAsked,
        };
        let interface = self.interface.as_ref();
        let interface =
            interface.map(|(index, name)| Interface { index: *index, name: name.as_deref() });
        use_row(&Connection {
            socket: &self.socket,
            role: self.role,
            role_basis: self.role_basis,
            service: self.service.as_deref(),
            service_basis: self.service_basis,
            netns: self.netns.as_ref(),
            interface,
            cgroup_path: self.cgroup_path.as_deref(),
            unit: self.unit.as_deref(),
            container: self.container.as_deref(),
            processes,
            change: self.change,
            repeats: self.repeats,
            captured_at,
            delta: self.delta.as_ref(),
            interval_s: self.interval_s,
            syn_recv: self.syn_recv,
            group: self.group,
            ended: self.ended.as_ref(),
            remote_name: None,
        })
    }
}
