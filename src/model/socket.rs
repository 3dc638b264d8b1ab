//! One socket as a flat row in the kernel's units.

use std::net::{IpAddr, Ipv4Addr};

use super::state::State;
use super::timer::{Timer, TimerKind};
use crate::wire::bytecode::Subject;
use crate::wire::{Bbr, Dctcp, EcnWord, Md5Keys, Reply, SkMem, TcpInfo, Ulp, Vegas, uapi};

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
pub struct CongestionName([u8; uapi::TCP_CA_NAME_MAX]);

impl CongestionName {
    /// Takes the bytes up to the NUL; behind it may be anything.
    #[inline]
    pub(crate) fn new(sent: &[u8]) -> Self {
        let mut kept = [0; uapi::TCP_CA_NAME_MAX];
        let name = sent.iter().take_while(|&&byte| byte != 0);
        kept.iter_mut().zip(name).for_each(|(to, &from)| *to = from);
        Self(kept)
    }

    /// The name's bytes: `cubic`, `bbr`, ...
    pub fn as_bytes(&self) -> &[u8] {
        self.0.split(|&byte| byte == 0).next().unwrap_or(&[])
    }
}

/// Internal values of a congestion control.
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
///
/// Most sockets use 450 of its some 700 bytes; [`Socket::fill`] and [`Socket::copy_from`] write only
/// those to a row that is used again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Socket {
    /// The kernel's identifier of the socket, which never changes: unique on a host since Linux
    /// 5.10, in a network namespace before.
    pub cookie: u64,
    /// State.
    pub state: State,
    /// Own end.
    pub local: Endpoint,
    /// The peer's end.
    pub remote: Endpoint,
    /// Interface the socket is bound to, 0 for none.
    pub interface: u32,
    /// The running timer.
    pub timer: Option<Timer>,
    /// Bytes that are not read; for a listener, connections that are not accepted.
    pub receive_queue: u32,
    /// Bytes that are not acknowledged; for a listener, its backlog.
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
    /// Internal values of the congestion control.
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
    /// Id of the cgroup v2 that the socket was created in.
    pub cgroup_id: Option<u64>,
    /// `struct inet_diag_sockopt`.
    pub sockopt: Option<[u8; 2]>,
    /// Upper layer protocol.
    pub ulp: Option<Ulp>,
    /// TCP-MD5 keys.
    pub md5: Option<Md5Keys>,
}

impl Socket {
    /// An empty row.
    pub const BLANK: Self = Self {
        cookie: 0,
        state: State::Close,
        local: Endpoint { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), port: 0 },
        remote: Endpoint { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), port: 0 },
        interface: 0,
        timer: None,
        receive_queue: 0,
        send_queue: 0,
        uid: 0,
        inode: 0,
        tcp_info: None,
        skmem: None,
        congestion: None,
        congestion_detail: CongestionDetail::None,
        tos: None,
        tclass: None,
        class_id: None,
        shutdown: None,
        v6only: None,
        mark: None,
        cgroup_id: None,
        sockopt: None,
        ulp: None,
        md5: None,
    };

    /// Decodes a record. `None` for a state that is unknown up to Linux 7.3.
    #[inline]
    pub fn new(reply: &Reply<'_>, ecn: EcnWord) -> Option<Self> {
        let mut socket = Self::BLANK;
        socket.fill(reply, ecn).then_some(socket)
    }

    /// Decodes a record into this row. `false` for a state that is unknown up to Linux 7.3; the row
    /// does not change then.
    ///
    /// A dump that fills the same row for every record takes half the time of one that creates rows:
    /// most of a row is `tcp_info`, which is copied once instead of four times.
    #[inline]
    pub fn fill(&mut self, reply: &Reply<'_>, ecn: EcnWord) -> bool {
        let Some(mut state) = State::from_kernel(reply.state()) else { return false };
        let info = reply.attribute(uapi::INET_DIAG_INFO);
        if state == State::Close && info.is_none() {
            // A dump has closed sockets only from the bind table (6.8 and later).
            state = State::BoundInactive;
        }
        self.cookie = reply.cookie();
        self.state = state;
        self.local = Endpoint { address: reply.local_address(), port: reply.local_port() };
        self.remote = Endpoint { address: reply.remote_address(), port: reply.remote_port() };
        self.interface = reply.interface();
        self.timer = Timer::new(reply.timer(), reply.expires_ms(), reply.retransmits());
        self.receive_queue = reply.receive_queue();
        self.send_queue = reply.send_queue();
        self.uid = reply.uid();
        self.inode = reply.inode();
        match (&mut self.tcp_info, info) {
            (Some(own), Some(info)) => own.fill(info, ecn),
            (own @ None, Some(info)) => *own = Some(TcpInfo::new(info, ecn)),
            (own, None) => *own = None,
        }
        self.fill_attributes(reply);
        true
    }

    #[inline]
    fn fill_attributes(&mut self, reply: &Reply<'_>) {
        self.skmem = reply.skmem();
        self.congestion = reply.attribute(uapi::INET_DIAG_CONG).map(CongestionName::new);
        self.congestion_detail = congestion_detail(reply);
        self.tos = reply.tos();
        self.tclass = reply.tclass();
        self.class_id = reply.class_id();
        self.shutdown = reply.shutdown();
        self.v6only = reply.v6only();
        self.mark = reply.mark();
        self.cgroup_id = reply.cgroup_id();
        self.sockopt = reply.sockopt();
        // Rare and large: where they are absent, only that is written.
        match reply.attribute(uapi::INET_DIAG_ULP_INFO) {
            None => self.ulp = None,
            Some(_) => self.ulp = reply.ulp(),
        }
        match reply.attribute(uapi::INET_DIAG_MD5SIG) {
            None => self.md5 = None,
            Some(_) => self.md5 = reply.md5(),
        }
    }

    /// Copies another row. Cheaper than an assignment, which copies absent parts too.
    #[inline]
    pub fn copy_from(&mut self, other: &Self) {
        // All fields are named, so that a new one is not forgotten.
        let Self {
            cookie,
            state,
            local,
            remote,
            interface,
            timer,
            receive_queue,
            send_queue,
            uid,
            inode,
            ref tcp_info,
            skmem,
            congestion,
            congestion_detail,
            tos,
            tclass,
            class_id,
            shutdown,
            v6only,
            mark,
            cgroup_id,
            sockopt,
            ref ulp,
            ref md5,
        } = *other;
        (self.cookie, self.state, self.local, self.remote) = (cookie, state, local, remote);
        (self.interface, self.timer, self.uid, self.inode) = (interface, timer, uid, inode);
        (self.receive_queue, self.send_queue) = (receive_queue, send_queue);
        match (&mut self.tcp_info, tcp_info) {
            (Some(own), Some(other)) => own.copy_from(other),
            (own @ None, Some(other)) => *own = Some(*other),
            (own, None) => *own = None,
        }
        (self.skmem, self.congestion, self.congestion_detail) =
            (skmem, congestion, congestion_detail);
        (self.tos, self.tclass, self.class_id, self.shutdown) = (tos, tclass, class_id, shutdown);
        (self.v6only, self.mark, self.cgroup_id, self.sockopt) = (v6only, mark, cgroup_id, sockopt);
        match ulp {
            None => self.ulp = None,
            Some(ulp) => self.ulp = Some(*ulp),
        }
        match md5 {
            None => self.md5 = None,
            Some(md5) => self.md5 = Some(*md5),
        }
    }

    /// Whether this is a TIME-WAIT, FIN-WAIT-2 or SYN-RECV record without a full socket: it has no
    /// `tcp_info`, uid, inode or cgroup.
    pub fn is_minisock(&self) -> bool {
        match self.state {
            State::TimeWait | State::SynRecv => true,
            State::FinWait2 => self.timer.is_some_and(|timer| timer.kind == TimerKind::TimeWait),
            _ => false,
        }
    }

    /// The socket as the kernel's filter programs see it. The kernel does not report whether
    /// `bind()` chose the port; here it counts as chosen.
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
