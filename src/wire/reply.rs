//! One socket as the kernel reports it: `struct inet_diag_msg` and its
//! attributes (include/uapi/linux/inet_diag.h), read as views.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::attribute::Attributes;
use super::bytes::{array_at, be16_at, u8_at, u32_at, u64_at};
use super::congestion::{Bbr, Dctcp, Vegas};
use super::md5::Md5Keys;
use super::skmem::SkMem;
use super::tcp_info::{EcnWord, TcpInfo};
use super::uapi;
use super::ulp::Ulp;

/// One more than the last attribute known here.
pub const ATTRIBUTE_COUNT: usize = uapi::INET_DIAG_MAX as usize + 1;

/// The shortest length of each attribute, 0 where any length is accepted. Checked while walking the
/// attributes, to save a second walk for every socket.
const SHORTEST: [u8; ATTRIBUTE_COUNT] = {
    let mut shortest = [0; ATTRIBUTE_COUNT];
    let known: [(u16, u8); 18] = [
        (uapi::INET_DIAG_MEMINFO, 16),
        (uapi::INET_DIAG_INFO, 1),
        (uapi::INET_DIAG_VEGASINFO, 16),
        (uapi::INET_DIAG_CONG, 1),
        (uapi::INET_DIAG_TOS, 1),
        (uapi::INET_DIAG_TCLASS, 1),
        (uapi::INET_DIAG_SKMEMINFO, 4),
        (uapi::INET_DIAG_SHUTDOWN, 1),
        (uapi::INET_DIAG_DCTCPINFO, 16),
        (uapi::INET_DIAG_PROTOCOL, 1),
        (uapi::INET_DIAG_SKV6ONLY, 1),
        (uapi::INET_DIAG_MARK, 4),
        (uapi::INET_DIAG_BBRINFO, 20),
        (uapi::INET_DIAG_CLASS_ID, 4),
        (uapi::INET_DIAG_MD5SIG, uapi::TCP_DIAG_MD5SIG_LEN as u8),
        // At least a name of one character in a nested attribute.
        (uapi::INET_DIAG_ULP_INFO, 5),
        (uapi::INET_DIAG_CGROUP_ID, 8),
        (uapi::INET_DIAG_SOCKOPT, 2),
    ];
    let mut index = 0;
    while index < known.len() {
        shortest[known[index].0 as usize] = known[index].1;
        index += 1;
    }
    shortest
};

/// Position of an attribute's payload. `end` is 0 if the attribute was not sent.
#[derive(Debug, Clone, Copy, Default)]
struct Span {
    start: u16,
    end: u16,
}

/// A view of one socket's record. Creating one walks the attributes once and stores their positions;
/// reading a field then is a bounds check and a load.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    header: &'a [u8; uapi::INET_DIAG_MSG_LEN],
    bytes: &'a [u8],
    spans: [Span; ATTRIBUTE_COUNT],
    unknown_attributes: u16,
    broken_attributes: bool,
}

impl<'a> Reply<'a> {
    /// Reads the payload of a netlink message. `None` when it is shorter than
    /// `struct inet_diag_msg`. Broken attributes are
    /// left out with all that follows them.
    #[inline]
    pub fn new(payload: &'a [u8]) -> Option<Self> {
        // The kernel sends at most 32 KiB; positions are 16 bits wide.
        let payload = payload.get(..usize::from(u16::MAX)).unwrap_or(payload);
        let (header, attributes) = payload.split_first_chunk()?;
        let mut spans = [Span::default(); ATTRIBUTE_COUNT];
        let (mut unknown_attributes, mut broken_attributes) = (0u16, false);
        let base = payload.as_ptr().addr();
        for attribute in Attributes::new(attributes) {
            let Ok(attribute) = attribute else {
                broken_attributes = true;
                break;
            };
            let index = usize::from(attribute.kind);
            let (Some(span), Some(&shortest)) = (spans.get_mut(index), SHORTEST.get(index)) else {
                unknown_attributes = unknown_attributes.saturating_add(1);
                continue;
            };
            broken_attributes |= attribute.value.len() < usize::from(shortest);
            let start = attribute.value.as_ptr().addr() - base;
            let end = start + attribute.value.len();
            *span = Span { start: start as u16, end: end as u16 };
        }
        Some(Self { header, bytes: payload, spans, unknown_attributes, broken_attributes })
    }

    /// The payload of attribute `kind`, if it was sent.
    #[inline]
    pub fn attribute(&self, kind: u16) -> Option<&'a [u8]> {
        let span = self.spans.get(usize::from(kind)).filter(|span| span.end != 0)?;
        self.bytes.get(usize::from(span.start)..usize::from(span.end))
    }

    /// Number of attributes that are newer than this program.
    pub fn unknown_attributes(&self) -> u16 {
        self.unknown_attributes
    }

    /// Whether an attribute could not be read: its framing is broken, or its payload is too short.
    #[inline]
    pub fn has_bad_attribute(&self) -> bool {
        self.broken_attributes
    }

    /// `idiag_family`: 2 for IPv4, 10 for IPv6.
    #[inline]
    pub fn family(&self) -> u8 {
        u8_at(self.header, 0).unwrap_or(0)
    }

    /// `idiag_state`, see [`State`](crate::model::State).
    #[inline]
    pub fn state(&self) -> u8 {
        u8_at(self.header, 1).unwrap_or(0)
    }

    /// `idiag_timer`.
    #[inline]
    pub fn timer(&self) -> u8 {
        u8_at(self.header, 2).unwrap_or(0)
    }

    /// `idiag_retrans`.
    #[inline]
    pub fn retransmits(&self) -> u8 {
        u8_at(self.header, 3).unwrap_or(0)
    }

    /// `id.idiag_sport`.
    #[inline]
    pub fn local_port(&self) -> u16 {
        be16_at(self.header, 4).unwrap_or(0)
    }

    /// `id.idiag_dport`.
    #[inline]
    pub fn remote_port(&self) -> u16 {
        be16_at(self.header, 6).unwrap_or(0)
    }

    /// `id.idiag_src`.
    #[inline]
    pub fn local_address(&self) -> IpAddr {
        self.address(8)
    }

    /// `id.idiag_dst`.
    #[inline]
    pub fn remote_address(&self) -> IpAddr {
        self.address(24)
    }

    /// `id.idiag_if`: the interface a socket is bound to, 0 for none.
    #[inline]
    pub fn interface(&self) -> u32 {
        self.word(40)
    }

    /// `id.idiag_cookie`, low word first.
    #[inline]
    pub fn cookie(&self) -> u64 {
        u64::from(self.word(44)) | u64::from(self.word(48)) << 32
    }

    /// `idiag_expires`: milliseconds until the timer fires.
    #[inline]
    pub fn expires_ms(&self) -> u32 {
        self.word(52)
    }

    /// `idiag_rqueue`: unread bytes; a listener's accept queue length.
    #[inline]
    pub fn receive_queue(&self) -> u32 {
        self.word(56)
    }

    /// `idiag_wqueue`: bytes not yet acknowledged; a listener's backlog.
    #[inline]
    pub fn send_queue(&self) -> u32 {
        self.word(60)
    }

    /// `idiag_uid`, in the reader's user namespace.
    #[inline]
    pub fn uid(&self) -> u32 {
        self.word(64)
    }

    /// `idiag_inode`, 0 for sockets without a file.
    #[inline]
    pub fn inode(&self) -> u32 {
        self.word(68)
    }

    /// `INET_DIAG_MEMINFO`: rmem, wmem (queued), fmem, tmem (in flight).
    #[inline]
    pub fn meminfo(&self) -> Option<[u32; 4]> {
        let value = self.attribute(uapi::INET_DIAG_MEMINFO)?;
        Some([u32_at(value, 0)?, u32_at(value, 4)?, u32_at(value, 8)?, u32_at(value, 12)?])
    }

    /// `INET_DIAG_INFO`. `ecn` says how to read the word whose layout kernels
    /// changed without changing its length.
    #[inline]
    pub fn tcp_info(&self, ecn: EcnWord) -> Option<TcpInfo> {
        Some(TcpInfo::new(self.attribute(uapi::INET_DIAG_INFO)?, ecn))
    }

    /// `INET_DIAG_SKMEMINFO`.
    #[inline]
    pub fn skmem(&self) -> Option<SkMem> {
        SkMem::new(self.attribute(uapi::INET_DIAG_SKMEMINFO)?)
    }

    /// `INET_DIAG_CONG`: the algorithm's name up to its NUL.
    #[inline]
    pub fn congestion(&self) -> Option<&'a [u8]> {
        let value = self.attribute(uapi::INET_DIAG_CONG)?;
        value.split(|&byte| byte == 0).next()
    }

    /// `INET_DIAG_VEGASINFO`.
    #[inline]
    pub fn vegas(&self) -> Option<Vegas> {
        Vegas::new(self.attribute(uapi::INET_DIAG_VEGASINFO)?)
    }

    /// `INET_DIAG_DCTCPINFO`.
    #[inline]
    pub fn dctcp(&self) -> Option<Dctcp> {
        Dctcp::new(self.attribute(uapi::INET_DIAG_DCTCPINFO)?)
    }

    /// `INET_DIAG_BBRINFO`.
    #[inline]
    pub fn bbr(&self) -> Option<Bbr> {
        Bbr::new(self.attribute(uapi::INET_DIAG_BBRINFO)?)
    }

    /// `INET_DIAG_TOS`.
    #[inline]
    pub fn tos(&self) -> Option<u8> {
        u8_at(self.attribute(uapi::INET_DIAG_TOS)?, 0)
    }

    /// `INET_DIAG_TCLASS`.
    #[inline]
    pub fn tclass(&self) -> Option<u8> {
        u8_at(self.attribute(uapi::INET_DIAG_TCLASS)?, 0)
    }

    /// `INET_DIAG_CLASS_ID`: the net_cls class, or the socket's priority.
    #[inline]
    pub fn class_id(&self) -> Option<u32> {
        u32_at(self.attribute(uapi::INET_DIAG_CLASS_ID)?, 0)
    }

    /// `INET_DIAG_SHUTDOWN`: bit 0 receive, bit 1 send.
    #[inline]
    pub fn shutdown(&self) -> Option<u8> {
        u8_at(self.attribute(uapi::INET_DIAG_SHUTDOWN)?, 0)
    }

    /// `INET_DIAG_PROTOCOL`, sent with destroy events.
    pub fn protocol(&self) -> Option<u8> {
        u8_at(self.attribute(uapi::INET_DIAG_PROTOCOL)?, 0)
    }

    /// `INET_DIAG_SKV6ONLY`.
    #[inline]
    pub fn v6only(&self) -> Option<bool> {
        Some(u8_at(self.attribute(uapi::INET_DIAG_SKV6ONLY)?, 0)? != 0)
    }

    /// `INET_DIAG_MARK`, sent to holders of CAP_NET_ADMIN.
    #[inline]
    pub fn mark(&self) -> Option<u32> {
        u32_at(self.attribute(uapi::INET_DIAG_MARK)?, 0)
    }

    /// `INET_DIAG_CGROUP_ID`: the inode of the cgroup v2 directory.
    #[inline]
    pub fn cgroup_id(&self) -> Option<u64> {
        u64_at(self.attribute(uapi::INET_DIAG_CGROUP_ID)?, 0)
    }

    /// `INET_DIAG_SOCKOPT`: `struct inet_diag_sockopt`, two bytes of flags.
    #[inline]
    pub fn sockopt(&self) -> Option<[u8; 2]> {
        array_at(self.attribute(uapi::INET_DIAG_SOCKOPT)?, 0)
    }

    /// `INET_DIAG_ULP_INFO`.
    pub fn ulp(&self) -> Option<Ulp> {
        Ulp::new(self.attribute(uapi::INET_DIAG_ULP_INFO)?)
    }

    /// `INET_DIAG_MD5SIG`, without the keys themselves.
    pub fn md5(&self) -> Option<Md5Keys> {
        Some(Md5Keys::new(self.attribute(uapi::INET_DIAG_MD5SIG)?))
    }

    #[inline]
    fn word(&self, at: usize) -> u32 {
        u32_at(self.header, at).unwrap_or(0)
    }

    #[inline]
    fn address(&self, at: usize) -> IpAddr {
        if self.family() == uapi::AF_INET6 {
            IpAddr::V6(Ipv6Addr::from(array_at::<16>(self.header, at).unwrap_or_default()))
        } else {
            IpAddr::V4(Ipv4Addr::from(array_at::<4>(self.header, at).unwrap_or_default()))
        }
    }
}
