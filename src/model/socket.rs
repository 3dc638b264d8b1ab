//! One socket as a flat row in the kernel's units.

use std::net::IpAddr;

use super::state::State;
use super::timer::{Timer, TimerKind};
use crate::wire::bytecode::Subject;
use crate::wire::{Bbr, Dctcp, EcnWord, Md5Keys, Reply, SkMem, TcpInfo, Ulp, Vegas, kind};

/// An address and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The address, in the family of its socket: v4-mapped ones stay IPv6.
    pub address: IpAddr,
    /// The port, 0 for none.
    pub port: u16,
}

/// A congestion control's name, `TCP_CA_NAME_MAX` bytes, NUL-padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CongestionName([u8; 16]);

impl CongestionName {
    fn new(name: &[u8]) -> Self {
        let mut kept = [0; 16];
        kept.iter_mut().zip(name).for_each(|(to, &from)| *to = from);
        Self(kept)
    }

    /// The name's bytes: `cubic`, `bbr`, ...
    pub fn as_bytes(&self) -> &[u8] {
        self.0.split(|&byte| byte == 0).next().unwrap_or(&[])
    }
}

/// What a congestion control says of itself, where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CongestionDetail {
    /// Nothing.
    None,
    /// `struct tcpvegas_info`.
    Vegas(Vegas),
    /// `struct tcp_dctcp_info`.
    Dctcp(Dctcp),
    /// `struct tcp_bbr_info`.
    Bbr(Bbr),
}

/// One socket. Every `Option` is `None` where the kernel did not send it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Socket {
    /// The kernel's name for this socket: unique on a host since Linux 5.10,
    /// in a network namespace before; kept over its whole life.
    pub cookie: u64,
    /// Its state.
    pub state: State,
    /// Own end.
    pub local: Endpoint,
    /// The peer's end.
    pub remote: Endpoint,
    /// Interface the socket is bound to, 0 for none.
    pub interface: u32,
    /// The timer that runs, if one does.
    pub timer: Option<Timer>,
    /// Bytes not yet read; for a listener connections not yet accepted.
    pub receive_queue: u32,
    /// Bytes not yet acknowledged; for a listener its backlog.
    pub send_queue: u32,
    /// Owner's user id, in the reader's user namespace.
    pub uid: u32,
    /// Inode of the socket's file, 0 for none.
    pub inode: u32,
    /// `struct tcp_info`.
    pub tcp_info: Option<TcpInfo>,
    /// Memory.
    pub skmem: Option<SkMem>,
    /// Congestion control.
    pub congestion: Option<CongestionName>,
    /// What it says of itself.
    pub congestion_detail: CongestionDetail,
    /// IPv4 type of service.
    pub tos: Option<u8>,
    /// IPv6 traffic class.
    pub tclass: Option<u8>,
    /// net_cls class, or the socket's priority.
    pub class_id: Option<u32>,
    /// Closed directions: bit 0 receive, bit 1 send.
    pub shutdown: Option<u8>,
    /// Whether an IPv6 socket refuses IPv4.
    pub v6only: Option<bool>,
    /// Socket mark.
    pub mark: Option<u32>,
    /// Id of the cgroup v2 the socket was made in.
    pub cgroup_id: Option<u64>,
    /// `struct inet_diag_sockopt`.
    pub sockopt: Option<[u8; 2]>,
    /// Upper layer protocol.
    pub ulp: Option<Ulp>,
    /// TCP-MD5 keys.
    pub md5: Option<Md5Keys>,
}

impl Socket {
    /// Decodes a record. `None` for a state that no kernel up to 7.3 has.
    #[inline]
    pub fn new(reply: &Reply<'_>, ecn: EcnWord) -> Option<Self> {
        let mut state = State::from_kernel(reply.state())?;
        if state == State::Close && reply.attribute(kind::INFO).is_none() {
            // Only the bind table has closed sockets in a dump (6.8 and later).
            state = State::BoundInactive;
        }
        Some(Self {
            cookie: reply.cookie(),
            state,
            local: Endpoint { address: reply.local_address(), port: reply.local_port() },
            remote: Endpoint { address: reply.remote_address(), port: reply.remote_port() },
            interface: reply.interface(),
            timer: Timer::new(reply.timer(), reply.expires_ms(), reply.retransmits()),
            receive_queue: reply.receive_queue(),
            send_queue: reply.send_queue(),
            uid: reply.uid(),
            inode: reply.inode(),
            tcp_info: reply.tcp_info(ecn),
            skmem: reply.skmem(),
            congestion: reply.congestion().map(CongestionName::new),
            congestion_detail: congestion_detail(reply),
            tos: reply.tos(),
            tclass: reply.tclass(),
            class_id: reply.class_id(),
            shutdown: reply.shutdown(),
            v6only: reply.v6only(),
            mark: reply.mark(),
            cgroup_id: reply.cgroup_id(),
            sockopt: reply.sockopt(),
            ulp: reply.ulp(),
            md5: reply.md5(),
        })
    }

    /// Whether this is a TIME-WAIT, FIN-WAIT-2 or SYN-RECV record behind which
    /// no full socket stands: no `tcp_info`, uid, inode or cgroup.
    pub fn is_minisock(&self) -> bool {
        match self.state {
            State::TimeWait | State::SynRecv => true,
            State::FinWait2 => self.timer.is_some_and(|timer| timer.kind == TimerKind::TimeWait),
            _ => false,
        }
    }

    /// The socket as the kernel's filter programs see it. Whether a port was
    /// chosen by `bind()` is not reported, and is taken to be so.
    pub fn as_filter_subject(&self) -> Subject {
        Subject {
            local: self.local.address,
            local_port: self.local.port,
            remote: self.remote.address,
            remote_port: self.remote.port,
            interface: self.interface,
            port_locked: true,
            mark: self.mark.unwrap_or(0),
            cgroup: self.cgroup_id.unwrap_or(0),
        }
    }
}

#[inline]
fn congestion_detail(reply: &Reply<'_>) -> CongestionDetail {
    if let Some(bbr) = reply.bbr() {
        CongestionDetail::Bbr(bbr)
    } else if let Some(dctcp) = reply.dctcp() {
        CongestionDetail::Dctcp(dctcp)
    } else if let Some(vegas) = reply.vegas() {
        CongestionDetail::Vegas(vegas)
    } else {
        CongestionDetail::None
    }
}
