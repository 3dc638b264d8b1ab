//! `INET_DIAG_MD5SIG`: for whom a socket holds TCP-MD5 keys (RFC 2385). The
//! keys come along to holders of CAP_NET_ADMIN; they are never kept or shown.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::bytes::{array_at, u8_at, u16_at};

/// Entries that are kept; a busy BGP speaker has more peers on its listener.
const KEPT: usize = 4;

/// Whom one key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Md5Key {
    /// The peer, or the network of peers.
    pub address: IpAddr,
    /// Length of the prefix.
    pub prefix_length: u8,
    /// Length of the key in bytes.
    pub key_length: u16,
}

/// The keys of a socket, without the key material.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Md5Keys {
    total: u16,
    kept: [Option<Md5Key>; KEPT],
}

impl Md5Keys {
    /// Length of `struct tcp_diag_md5sig`.
    pub(super) const ENTRY: usize = 100;

    pub(super) fn new(payload: &[u8]) -> Self {
        let mut entries = payload.chunks_exact(Self::ENTRY).map(Md5Key::new);
        let total = (payload.len() / Self::ENTRY).min(usize::from(u16::MAX)) as u16;
        Self { total, kept: std::array::from_fn(|_| entries.next().flatten()) }
    }

    /// How many keys the socket has.
    pub fn total(&self) -> u16 {
        self.total
    }

    /// The first of them.
    pub fn kept(&self) -> impl Iterator<Item = &Md5Key> {
        self.kept.iter().flatten()
    }
}

impl Md5Key {
    fn new(entry: &[u8]) -> Option<Self> {
        let address = match u8_at(entry, 0)? {
            2 => IpAddr::V4(Ipv4Addr::from(array_at::<4>(entry, 4)?)),
            _ => IpAddr::V6(Ipv6Addr::from(array_at::<16>(entry, 4)?)),
        };
        Some(Self { address, prefix_length: u8_at(entry, 1)?, key_length: u16_at(entry, 2)? })
    }
}
