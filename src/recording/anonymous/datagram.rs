//! Netlink messages without addresses, names and keys.

use std::net::IpAddr;

use super::Dropped;
use super::addresses::Addresses;
use super::key::Key;
use super::names;
use crate::model::fields::tcp_info::KNOWN_LENGTH;
use crate::wire::bytecode::map_hosts;
use crate::wire::uapi::{
    self, AF_INET, AF_INET6, INET_DIAG_MSG_LEN, INET_DIAG_REQ_BYTECODE, INET_DIAG_REQ_LEN,
    INET_DIAG_REQ_PROTOCOL, INET_DIAG_REQ_V2_LEN, INET_DIAG_SOCKID_LEN, NLM_F_ACK_TLVS,
    NLM_F_CAPPED, NLMSG_DONE, NLMSG_ERROR, NLMSG_HDRLEN, NLMSG_NOOP, NLMSG_OVERRUN,
    SOCK_DIAG_BY_FAMILY, TCP_DIAG_MD5SIG_KEY, TCP_DIAG_MD5SIG_LEN, TCPDIAG_GETSOCK,
};
use crate::wire::{Attribute, Attributes, Message, Messages};

/// Where the addresses are in `struct inet_diag_sockid`.
const ADDRESSES: [usize; 2] = [4, 20];

/// Length of `struct sockaddr_storage`, of which `INET_DIAG_LOCALS` and `INET_DIAG_PEERS` are
/// arrays.
const STORAGE: usize = 128;

/// Rewrites datagrams.
pub(super) struct Rewriter<'a> {
    pub(super) key: &'a Key,
    pub(super) addresses: &'a mut Addresses,
    pub(super) dropped: &'a mut Dropped,
}

impl Rewriter<'_> {
    /// The same messages without addresses, names and keys; `None` if nothing is left.
    pub(super) fn datagram(&mut self, bytes: &[u8], sent: bool) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(bytes.len());
        for message in Messages::new(bytes) {
            let rewritten = match message {
                Ok(message) if sent => self.request(&message),
                Ok(message) => self.answer(&message),
                Err(_) => None,
            };
            match (message, rewritten) {
                (Ok(message), Some((payload, flags))) => {
                    put_message(&mut out, &message, flags, &payload);
                }
                _ => self.dropped.messages += 1,
            }
        }
        (!out.is_empty()).then_some(out)
    }

    /// The payload of an answer, and its flags.
    fn answer(&mut self, message: &Message<'_>) -> Option<(Vec<u8>, u16)> {
        let payload = message.payload;
        match message.kind {
            SOCK_DIAG_BY_FAMILY | TCPDIAG_GETSOCK => Some((self.record(payload)?, message.flags)),
            // The error's number, and the header of the request that it is about: what else it
            // quotes is left out, and so the kernel's remarks.
            NLMSG_ERROR => {
                let quoted = payload.get(..4 + NLMSG_HDRLEN).or(payload.get(..4))?;
                Some((quoted.to_vec(), message.flags & !NLM_F_ACK_TLVS | NLM_F_CAPPED))
            }
            NLMSG_DONE => Some((payload.get(..4).unwrap_or_default().to_vec(), message.flags)),
            NLMSG_NOOP | NLMSG_OVERRUN => Some((Vec::new(), message.flags)),
            _ => None,
        }
    }

    /// `struct inet_diag_msg` and its attributes.
    fn record(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let (header, attributes) = payload.split_at_checked(INET_DIAG_MSG_LEN)?;
        let family = *header.first()?;
        let mut out = header.to_vec();
        self.map_id(&mut out, 4, family)?;
        for attribute in Attributes::new(attributes) {
            let Ok(attribute) = attribute else {
                self.dropped.attributes += 1;
                break;
            };
            match self.attribute(&attribute) {
                Some(value) => put_attribute(&mut out, attribute.kind, &value),
                None => self.dropped.attributes += 1,
            }
        }
        Some(out)
    }

    /// An attribute's value; `None` if the attribute is not known.
    fn attribute(&mut self, attribute: &Attribute<'_>) -> Option<Vec<u8>> {
        let value = attribute.value;
        let first = |length: usize| value.get(..length.min(value.len())).map(<[u8]>::to_vec);
        match attribute.kind {
            // What later kernels put behind is not known.
            uapi::INET_DIAG_INFO => first(KNOWN_LENGTH),
            uapi::INET_DIAG_MEMINFO | uapi::INET_DIAG_VEGASINFO | uapi::INET_DIAG_DCTCPINFO => {
                first(16)
            }
            uapi::INET_DIAG_BBRINFO => first(20),
            uapi::INET_DIAG_SKMEMINFO => first(36),
            uapi::INET_DIAG_CGROUP_ID => first(8),
            uapi::INET_DIAG_MARK | uapi::INET_DIAG_CLASS_ID => first(4),
            uapi::INET_DIAG_SOCKOPT => first(2),
            uapi::INET_DIAG_TOS
            | uapi::INET_DIAG_TCLASS
            | uapi::INET_DIAG_SHUTDOWN
            | uapi::INET_DIAG_PROTOCOL
            | uapi::INET_DIAG_SKV6ONLY => first(1),
            uapi::INET_DIAG_CONG => {
                let name = value.split(|&byte| byte == 0).next()?;
                let mut name = names::protocol(self.key, name);
                name.push(0);
                Some(name)
            }
            uapi::INET_DIAG_MD5SIG => Some(self.md5(value)),
            uapi::INET_DIAG_ULP_INFO => self.ulp(value),
            uapi::INET_DIAG_LOCALS | uapi::INET_DIAG_PEERS => self.storages(value),
            _ => None,
        }
    }

    /// The peers that have keys and the keys' lengths, without the keys.
    fn md5(&mut self, value: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for entry in value.chunks_exact(TCP_DIAG_MD5SIG_LEN) {
            let mut mapped = entry.to_vec();
            if let Some(key) = mapped.get_mut(TCP_DIAG_MD5SIG_KEY..) {
                key.fill(0);
            }
            let family = entry.first().copied().unwrap_or(0);
            let length = entry.get(1).copied().unwrap_or(0);
            self.map_address(&mut mapped, 4, family, length);
            out.extend(mapped);
        }
        out
    }

    fn ulp(&mut self, value: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        for attribute in Attributes::new(value) {
            let Ok(attribute) = attribute else { break };
            let known = match attribute.kind {
                uapi::INET_ULP_INFO_NAME => {
                    let name = attribute.value.split(|&byte| byte == 0).next()?;
                    let common = std::str::from_utf8(name).is_ok_and(names::is_common_protocol);
                    common.then(|| [name, &[0]].concat())
                }
                uapi::INET_ULP_INFO_TLS => Some(self.numbers(attribute.value, uapi::TLS_INFO_MAX)),
                uapi::INET_ULP_INFO_MPTCP => {
                    Some(self.numbers(attribute.value, uapi::MPTCP_SUBFLOW_ATTR_MAX))
                }
                _ => None,
            };
            match known {
                Some(value) => put_attribute(&mut out, attribute.kind, &value),
                None => self.dropped.attributes += 1,
            }
        }
        (!out.is_empty()).then_some(out)
    }

    /// Nested attributes up to the last known one; each is a number.
    fn numbers(&mut self, value: &[u8], last: u16) -> Vec<u8> {
        let mut out = Vec::new();
        for attribute in Attributes::new(value).map_while(Result::ok) {
            if attribute.kind <= last && attribute.value.len() <= 8 {
                put_attribute(&mut out, attribute.kind, attribute.value);
            } else {
                self.dropped.attributes += 1;
            }
        }
        out
    }

    /// Socket addresses: family, port and address of each.
    fn storages(&mut self, value: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        for storage in value.chunks_exact(STORAGE) {
            let family = u16::from_ne_bytes(*storage.first_chunk()?);
            let (at, length) = match u8::try_from(family) {
                Ok(AF_INET) => (4, 4),
                Ok(AF_INET6) => (8, 16),
                _ => return None,
            };
            let mut mapped = [0; STORAGE];
            for range in [0..4, at..at + length] {
                mapped.get_mut(range.clone())?.copy_from_slice(storage.get(range)?);
            }
            self.map_address(&mut mapped, at, family as u8, u8::MAX)?;
            out.extend(mapped);
        }
        Some(out)
    }

    /// The payload of a request, and its flags.
    fn request(&mut self, message: &Message<'_>) -> Option<(Vec<u8>, u16)> {
        let payload = message.payload;
        let family = *payload.first()?;
        // struct inet_diag_req has its sockid elsewhere than struct inet_diag_req_v2.
        let (id, fixed) = match message.kind {
            TCPDIAG_GETSOCK => (4, INET_DIAG_REQ_LEN),
            SOCK_DIAG_BY_FAMILY => (8, INET_DIAG_REQ_V2_LEN),
            _ => return None,
        };
        let (head, attributes) = payload.split_at_checked(fixed)?;
        let mut out = head.to_vec();
        // The sockid of a dump has no addresses.
        if head.get(id + 4..id + 36)?.iter().any(|&byte| byte != 0) {
            self.map_id(&mut out, id, family)?;
        }
        for attribute in Attributes::new(attributes) {
            let value = match attribute {
                Ok(Attribute { kind: INET_DIAG_REQ_PROTOCOL, value }) => {
                    value.get(..4).map(|value| (INET_DIAG_REQ_PROTOCOL, value.to_vec()))
                }
                Ok(Attribute { kind: INET_DIAG_REQ_BYTECODE, value }) => {
                    let map = |address| self.addresses.map(self.key, address);
                    map_hosts(value, map).map(|program| (INET_DIAG_REQ_BYTECODE, program))
                }
                _ => None,
            };
            match value {
                Some((kind, value)) => put_attribute(&mut out, kind, &value),
                None => self.dropped.attributes += 1,
            }
        }
        Some((out, message.flags))
    }

    /// Replaces the addresses of the `struct inet_diag_sockid` at an offset.
    fn map_id(&mut self, bytes: &mut [u8], at: usize, family: u8) -> Option<()> {
        let id = bytes.get_mut(at..at + INET_DIAG_SOCKID_LEN)?;
        ADDRESSES.into_iter().try_for_each(|at| self.map_address(id, at, family, u8::MAX))
    }

    /// Replaces an address in a field of sixteen bytes; keeps its first bits.
    fn map_address(&mut self, bytes: &mut [u8], at: usize, family: u8, length: u8) -> Option<()> {
        let place = bytes.get_mut(at..at + 16)?;
        let own = match family {
            AF_INET => IpAddr::from(*place.first_chunk::<4>()?),
            AF_INET6 => IpAddr::from(*place.first_chunk::<16>()?),
            _ => return None,
        };
        let octets = match self.addresses.map(self.key, own) {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        // Old kernels leave other data in the bytes that IPv4 does not use.
        place.fill(0);
        for (index, (to, from)) in place.iter_mut().zip(octets).enumerate() {
            let kept = usize::from(length).saturating_sub(8 * index).min(8);
            *to = from & !(0xffu16 >> kept) as u8;
        }
        Some(())
    }
}

fn put_message(out: &mut Vec<u8>, message: &Message<'_>, flags: u16, payload: &[u8]) {
    let length = (NLMSG_HDRLEN + payload.len()) as u32;
    out.extend(length.to_ne_bytes());
    out.extend(message.kind.to_ne_bytes());
    out.extend(flags.to_ne_bytes());
    out.extend(message.sequence.to_ne_bytes());
    out.extend(message.port.to_ne_bytes());
    out.extend(payload);
    out.resize(out.len().next_multiple_of(4), 0);
}

fn put_attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    // Shorter than the original, so the length fits.
    let length = (4 + value.len()) as u16;
    out.extend(length.to_ne_bytes());
    out.extend(kind.to_ne_bytes());
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
}
