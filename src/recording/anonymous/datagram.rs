//! Netlink messages without addresses, names and keys.

use std::net::IpAddr;

use super::Dropped;
use super::addresses::Addresses;
use super::key::Key;
use super::names;
use crate::model::fields::tcp_info::KNOWN_LENGTH;
use crate::wire::bytecode::map_hosts;
use crate::wire::{
    ACK_ATTRIBUTES, Attribute, Attributes, CAPPED, HEADER_LENGTH, Message, Messages,
    TCPDIAG_GETSOCK, kind,
};

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// `NLMSG_NOOP`, `NLMSG_ERROR`, `NLMSG_DONE`, `NLMSG_OVERRUN`.
const NOOP: u16 = 1;
const ERROR: u16 = 2;
const DONE: u16 = 3;
const OVERRUN: u16 = 4;

/// Length of `struct nlmsghdr`.
const HEADER: usize = 16;

/// Length of `struct inet_diag_sockid`, and where addresses are in it.
const ID: usize = 48;
const ADDRESSES: [usize; 2] = [4, 20];

/// `INET_DIAG_REQ_BYTECODE` and `INET_DIAG_REQ_PROTOCOL`.
const REQUEST_BYTECODE: u16 = 1;
const REQUEST_PROTOCOL: u16 = 3;

/// `INET_DIAG_LOCALS` and `INET_DIAG_PEERS`: arrays of `struct sockaddr_storage`.
const LOCALS: u16 = 12;
const PEERS: u16 = 13;
const STORAGE: usize = 128;

/// `struct tcp_diag_md5sig`: where the key begins, and where it ends.
const MD5_KEY: usize = 20;
const MD5: usize = 100;

/// `INET_ULP_INFO_*`, and the last attributes of TLS and of an MPTCP subflow that are known.
const ULP_NAME: u16 = 1;
const ULP_TLS: u16 = 2;
const ULP_MPTCP: u16 = 3;
const LAST_OF_TLS: u16 = 7;
const LAST_OF_MPTCP: u16 = 10;

/// Rewrites datagrams.
pub(super) struct Rewriter<'a> {
    pub(super) key: &'a Key,
    pub(super) addresses: &'a mut Addresses,
    pub(super) dropped: &'a mut Dropped,
}

impl Rewriter<'_> {
    /// The same messages without what could tell whose they are; `None` where nothing is left.
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
            BY_FAMILY | TCPDIAG_GETSOCK => Some((self.record(payload)?, message.flags)),
            // The error's number, and the header of the request that it is about: what else it
            // quotes is left out, and so the kernel's remarks.
            ERROR => {
                let quoted = payload.get(..4 + HEADER).or(payload.get(..4))?;
                Some((quoted.to_vec(), message.flags & !ACK_ATTRIBUTES | CAPPED))
            }
            DONE => Some((payload.get(..4).unwrap_or_default().to_vec(), message.flags)),
            NOOP | OVERRUN => Some((Vec::new(), message.flags)),
            _ => None,
        }
    }

    /// `struct inet_diag_msg` and its attributes.
    fn record(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let (header, attributes) = payload.split_at_checked(HEADER_LENGTH)?;
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

    /// An attribute's value. Only what is known for what it is stays.
    fn attribute(&mut self, attribute: &Attribute<'_>) -> Option<Vec<u8>> {
        let value = attribute.value;
        let first = |length: usize| value.get(..length.min(value.len())).map(<[u8]>::to_vec);
        match attribute.kind {
            // What later kernels put behind is not known.
            kind::INFO => first(KNOWN_LENGTH),
            kind::MEMINFO | kind::VEGASINFO | kind::DCTCPINFO => first(16),
            kind::BBRINFO => first(20),
            kind::SKMEMINFO => first(36),
            kind::CGROUP_ID => first(8),
            kind::MARK | kind::CLASS_ID => first(4),
            kind::SOCKOPT => first(2),
            kind::TOS | kind::TCLASS | kind::SHUTDOWN | kind::PROTOCOL | kind::SKV6ONLY => first(1),
            kind::CONG => {
                let name = value.split(|&byte| byte == 0).next()?;
                let mut name = names::protocol(self.key, name);
                name.push(0);
                Some(name)
            }
            kind::MD5SIG => Some(self.md5(value)),
            kind::ULP_INFO => self.ulp(value),
            LOCALS | PEERS => self.storages(value),
            _ => None,
        }
    }

    /// For whom there are keys, and how long they are; not the keys.
    fn md5(&mut self, value: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for entry in value.chunks_exact(MD5) {
            let mut mapped = entry.to_vec();
            if let Some(key) = mapped.get_mut(MD5_KEY..) {
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
                ULP_NAME => {
                    let name = attribute.value.split(|&byte| byte == 0).next()?;
                    let common = std::str::from_utf8(name).is_ok_and(names::is_common_protocol);
                    common.then(|| [name, &[0]].concat())
                }
                ULP_TLS => Some(self.numbers(attribute.value, LAST_OF_TLS)),
                ULP_MPTCP => Some(self.numbers(attribute.value, LAST_OF_MPTCP)),
                _ => None,
            };
            match known {
                Some(value) => put_attribute(&mut out, attribute.kind, &value),
                None => self.dropped.attributes += 1,
            }
        }
        (!out.is_empty()).then_some(out)
    }

    /// Nested attributes up to the last that is known, each of which is a number.
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
            let (at, length) = match i32::from(family) {
                libc::AF_INET => (4, 4),
                libc::AF_INET6 => (8, 16),
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
            TCPDIAG_GETSOCK => (4, 60),
            BY_FAMILY => (8, 56),
            _ => return None,
        };
        let (head, attributes) = payload.split_at_checked(fixed)?;
        let mut out = head.to_vec();
        // A dump's names no address.
        if head.get(id + 4..id + 36)?.iter().any(|&byte| byte != 0) {
            self.map_id(&mut out, id, family)?;
        }
        for attribute in Attributes::new(attributes) {
            let value = match attribute {
                Ok(Attribute { kind: REQUEST_PROTOCOL, value }) => {
                    value.get(..4).map(|value| (REQUEST_PROTOCOL, value.to_vec()))
                }
                Ok(Attribute { kind: REQUEST_BYTECODE, value }) => {
                    let map = |address| self.addresses.map(self.key, address);
                    map_hosts(value, map).map(|program| (REQUEST_BYTECODE, program))
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

    /// Replaces the addresses of the `struct inet_diag_sockid` at a place.
    fn map_id(&mut self, bytes: &mut [u8], at: usize, family: u8) -> Option<()> {
        let id = bytes.get_mut(at..at + ID)?;
        ADDRESSES.into_iter().try_for_each(|at| self.map_address(id, at, family, u8::MAX))
    }

    /// Replaces an address, which has room for sixteen bytes; keeps so many bits of it.
    fn map_address(&mut self, bytes: &mut [u8], at: usize, family: u8, length: u8) -> Option<()> {
        let place = bytes.get_mut(at..at + 16)?;
        let own = match i32::from(family) {
            libc::AF_INET => IpAddr::from(*place.first_chunk::<4>()?),
            libc::AF_INET6 => IpAddr::from(*place.first_chunk::<16>()?),
            _ => return None,
        };
        let octets = match self.addresses.map(self.key, own) {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        // Nothing is left of what an old kernel had in the room that IPv4 does not need.
        place.fill(0);
        for (index, (to, from)) in place.iter_mut().zip(octets).enumerate() {
            let kept = usize::from(length).saturating_sub(8 * index).min(8);
            *to = from & !(0xffu16 >> kept) as u8;
        }
        Some(())
    }
}

fn put_message(out: &mut Vec<u8>, message: &Message<'_>, flags: u16, payload: &[u8]) {
    let length = (HEADER + payload.len()) as u32;
    out.extend(length.to_ne_bytes());
    out.extend(message.kind.to_ne_bytes());
    out.extend(flags.to_ne_bytes());
    out.extend(message.sequence.to_ne_bytes());
    out.extend(message.port.to_ne_bytes());
    out.extend(payload);
    out.resize(out.len().next_multiple_of(4), 0);
}

fn put_attribute(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    // Shorter than what came, so the length fits.
    let length = (4 + value.len()) as u16;
    out.extend(length.to_ne_bytes());
    out.extend(kind.to_ne_bytes());
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
}
