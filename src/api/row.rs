//! One socket.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;

use crate::identity::ServiceBasis;
use crate::model::fields::{self, tcp_info};
use crate::model::{Endpoint, Field, Reading, Role, RoleBasis, Socket, State, Unit, is_link_local};
use crate::monitor::{Holder, Identity, Interfaces, Namespace, Processes};

/// A process that holds a socket open.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Owner {
    /// Process id, in the pid namespace of the reader.
    pub pid: u32,
    /// Its name, as in /proc/PID/comm: at most 15 bytes, which the process chooses itself.
    pub comm: String,
    /// The number of its descriptor.
    pub fd: u32,
}

/// The processes that hold a socket open.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Owners {
    /// They were not looked up: see [`SnapshotOptions::owners`](crate::SnapshotOptions::owners).
    NotLookedUp,
    /// A process whose descriptors may not be read may hold it.
    Hidden,
    /// These processes. None for a socket that is not accepted yet, that its program has closed, or
    /// that the kernel itself uses.
    Known(Vec<Owner>),
    /// The first ones, and how many others a recording leaves out: it has 16 for each socket.
    First(Vec<Owner>, u64),
}

/// One number of a socket.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Figure {
    /// The kernel's own name, without `tcpi_`: the name that filters take.
    pub name: &'static str,
    /// The value.
    pub value: Reading,
    /// Its unit.
    pub unit: Unit,
    /// What it means, in a sentence.
    pub meaning: &'static str,
    /// The first kernel that has it.
    pub since: &'static str,
}

/// One TCP socket: the kernel's figures, and its owners.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SocketRow {
    socket: Socket,
    /// Its network namespace.
    pub namespace: Arc<Namespace>,
    /// Which end of its connection it is.
    pub role: Role,
    /// What the role rests on.
    pub role_basis: RoleBasis,
    /// Its service: `nginx` for those that nginx serves, `→ mysql:3306` for its clients. Parts of
    /// it may be chosen by processes. `None` if services were not asked for.
    pub service: Option<String>,
    /// What that name rests on.
    pub service_basis: Option<ServiceBasis>,
    /// The processes that hold it.
    pub owners: Owners,
    /// The systemd unit of its holder, else of its listener's holder.
    pub unit: Option<String>,
    /// The container of its holder, else of its listener's holder.
    pub container: Option<String>,
    /// Path of the cgroup v2 that it was made in (`INET_DIAG_CGROUP_ID`, Linux 5.10).
    pub cgroup: Option<String>,
    /// The name of the interface that it is bound to (SO_BINDTODEVICE).
    pub interface: Option<String>,
}

impl SocketRow {
    /// Takes what is known of a socket.
    pub(super) fn new(
        socket: &Socket,
        namespace: &Arc<Namespace>,
        identity: &Identity<'_>,
        interfaces: &mut Interfaces,
        has_owners: bool,
    ) -> Self {
        interfaces.learn(socket.interface);
        let interface = interfaces.interface(socket.interface);
        let owners = match identity.owner.processes() {
            Processes::Hidden if has_owners => Owners::Hidden,
            Processes::Known { holders, omitted } if has_owners => {
                let owner =
                    |it: &Holder<'_>| Owner { pid: it.pid, comm: it.comm.to_owned(), fd: it.fd };
                let owners = holders.iter().map(owner).collect();
                if omitted > 0 { Owners::First(owners, omitted) } else { Owners::Known(owners) }
            }
            _ => Owners::NotLookedUp,
        };
        Self {
            socket: *socket,
            namespace: Arc::clone(namespace),
            role: identity.role,
            role_basis: identity.role_basis,
            service: identity.service().map(str::to_owned),
            service_basis: identity.service_basis(),
            owners,
            unit: identity.placement.unit.clone(),
            container: identity.placement.container.clone(),
            cgroup: identity.owner.cgroup_path.map(str::to_owned),
            interface: interface.and_then(|it| it.name).map(str::to_owned),
        }
    }

    /// State (`idiag_state`).
    pub fn state(&self) -> State {
        self.socket.state
    }

    /// The own end. IPv4 addresses of IPv6 sockets stay mapped (`::ffff:10.0.0.1`).
    pub fn local(&self) -> SocketAddr {
        address(&self.socket.local, self.socket.interface)
    }

    /// The peer's end; port 0 if there is none.
    pub fn remote(&self) -> SocketAddr {
        address(&self.socket.remote, self.socket.interface)
    }

    /// The kernel's identifier of the socket (`sock_gen_cookie()`), which never changes: unique on a
    /// host since Linux 5.10, in a network namespace before.
    pub fn cookie(&self) -> u64 {
        self.socket.cookie
    }

    /// Inode of the socket's file; `None` for sockets without one: not accepted yet, or closed by
    /// their program.
    pub fn inode(&self) -> Option<u64> {
        fields::INODE.integer(&self.socket).filter(|inode| *inode > 0)
    }

    /// User id of the owner, in the reader's user namespace. TIME-WAIT and SYN-RECV records have
    /// none.
    pub fn uid(&self) -> Option<u32> {
        fields::UID.integer(&self.socket).and_then(|uid| u32::try_from(uid).ok())
    }

    /// The smoothed round-trip time (`tcpi_rtt`); `None` before the first measurement.
    pub fn rtt(&self) -> Option<Duration> {
        tcp_info::RTT.integer(&self.socket).map(Duration::from_micros)
    }

    /// Segments that were sent again over its life (`tcpi_total_retrans`, 32 bits wide).
    pub fn retransmits(&self) -> Option<u64> {
        tcp_info::TOTAL_RETRANS.integer(&self.socket)
    }

    /// Payload that was sent, including what was sent again (`tcpi_bytes_sent`, Linux 4.19).
    pub fn bytes_sent(&self) -> Option<u64> {
        tcp_info::BYTES_SENT.integer(&self.socket)
    }

    /// Payload that was received in order (`tcpi_bytes_received`, Linux 4.1).
    pub fn bytes_received(&self) -> Option<u64> {
        tcp_info::BYTES_RECEIVED.integer(&self.socket)
    }

    /// Bytes that the program has not read yet (`idiag_rqueue`). `None` for listeners.
    pub fn receive_queue(&self) -> Option<u64> {
        fields::RECV_Q.integer(&self.socket)
    }

    /// Bytes that the peer has not acknowledged yet (`idiag_wqueue`). `None` for listeners.
    pub fn send_queue(&self) -> Option<u64> {
        fields::SEND_Q.integer(&self.socket)
    }

    /// For a listener: connections that wait for `accept()`, and how many may (`sk_ack_backlog` and
    /// `sk_max_ack_backlog`). The queue overflows when it holds one more than its limit.
    pub fn accept_queue(&self) -> Option<(u64, u64)> {
        let waiting = fields::ACCEPT_QUEUE.integer(&self.socket)?;
        Some((waiting, fields::ACCEPT_QUEUE_MAX.integer(&self.socket)?))
    }

    /// The congestion control (`INET_DIAG_CONG`): `cubic`, `bbr`, ...
    pub fn congestion(&self) -> Option<String> {
        let name = self.socket.congestion.as_ref()?;
        Some(String::from_utf8_lossy(name.as_bytes()).into_owned())
    }

    /// The figure of this name, as filters take it: `rtt`, `snd_cwnd`, `total_retrans`, ... `None`
    /// if no figure is called so; [`Reading::Absent`] if this kernel or state does not have it.
    pub fn figure(&self, name: &str) -> Option<Figure> {
        fields::find(name).map(|field| self.read(field))
    }

    /// Every figure: those of the record, of `struct tcp_info`, of the socket's memory
    /// (`INET_DIAG_SKMEMINFO`), and ratios computed from them.
    pub fn figures(&self) -> impl Iterator<Item = Figure> {
        fields::all().map(|field| self.read(field))
    }

    fn read(&self, field: &'static Field) -> Figure {
        let Field { name, unit, meaning, since, .. } = *field;
        Figure { name, value: field.read(&self.socket), unit, meaning, since }
    }
}

/// With the interface of its link, if the address is link-local.
fn address(end: &Endpoint, interface: u32) -> SocketAddr {
    match end.address {
        IpAddr::V6(address) if is_link_local(end.address) => {
            SocketAddrV6::new(address, end.port, 0, interface).into()
        }
        address => SocketAddr::new(address, end.port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_local_address_has_its_interface() {
        let end = |text: &str| Endpoint { address: text.parse().unwrap(), port: 443 };
        for (text, shown) in [
            ("fe80::1", "[fe80::1%3]:443"),
            ("2001:db8::1", "[2001:db8::1]:443"),
            ("10.0.0.1", "10.0.0.1:443"),
        ] {
            assert_eq!(address(&end(text), 3).to_string(), shown);
        }
    }
}
