//! `INET_DIAG_MD5SIG`: the peers for which a socket has TCP-MD5 keys (RFC 2385). The kernel sends the
//! keys too to holders of CAP_NET_ADMIN; they are never kept or shown.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::attribute::Attributes;
use super::bytes::{array_at, u8_at, u16_at};
use super::message::Messages;
use super::uapi::{
    AF_INET, INET_DIAG_MD5SIG, INET_DIAG_MSG_LEN, NLMSG_HDRLEN, TCP_DIAG_MD5SIG_KEY,
    TCP_DIAG_MD5SIG_LEN,
};

/// Position of the key in an entry.
const KEY: Range<usize> = TCP_DIAG_MD5SIG_KEY..TCP_DIAG_MD5SIG_LEN;

/// Fills the keys in a datagram of socket records with zeros, and returns how many there were. Peers
/// and key lengths stay. A message that is cut off keeps nothing but its header.
pub fn blank_keys(datagram: &mut [u8]) -> usize {
    if !may_hold_keys(datagram) {
        return 0;
    }
    let base = datagram.as_ptr().addr();
    let length = datagram.len();
    let mut keys = Vec::new();
    for (message, bytes) in Messages::new(datagram).framed() {
        let Ok(message) = message else {
            keys.push(length - bytes.len().saturating_sub(NLMSG_HDRLEN)..length);
            break;
        };
        let attributes = message.payload.get(INET_DIAG_MSG_LEN..).unwrap_or_default();
        for attribute in Attributes::new(attributes).map_while(Result::ok) {
            if attribute.kind == INET_DIAG_MD5SIG {
                let start = attribute.value.as_ptr().addr() - base;
                let entries = attribute.value.len().div_ceil(TCP_DIAG_MD5SIG_LEN);
                let end = start + attribute.value.len();
                keys.extend(
                    (0..entries)
                        .map(|entry| start + entry * TCP_DIAG_MD5SIG_LEN)
                        .map(|at| (at + KEY.start).min(end)..(at + KEY.end).min(end)),
                );
            }
        }
    }
    for key in &keys {
        datagram.get_mut(key.clone()).unwrap_or_default().fill(0);
    }
    keys.len()
}

/// Whether some word of the datagram may be the header of an attribute with keys. Keys are rare, and
/// this takes a tenth of the time of walking the attributes.
fn may_hold_keys(datagram: &[u8]) -> bool {
    let (words, _) = datagram.as_chunks::<4>();
    let hit = |[_, _, low, high]: [u8; 4]| u16::from_ne_bytes([low, high]) == INET_DIAG_MD5SIG;
    words.iter().fold(false, |found, word| found | hit(*word))
}

/// Entries that are kept. A listener of a busy BGP speaker has more.
const KEPT: usize = 4;

/// One key: its peers and its length.
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
    pub(super) fn new(payload: &[u8]) -> Self {
        let mut entries = payload.chunks_exact(TCP_DIAG_MD5SIG_LEN).map(Md5Key::new);
        let total = (payload.len() / TCP_DIAG_MD5SIG_LEN).min(usize::from(u16::MAX)) as u16;
        Self { total, kept: std::array::from_fn(|_| entries.next().flatten()) }
    }

    /// How many keys the socket has.
    pub fn total(&self) -> u16 {
        self.total
    }

    /// The first keys.
    pub fn kept(&self) -> impl Iterator<Item = &Md5Key> {
        self.kept.iter().flatten()
    }
}

impl Md5Key {
    fn new(entry: &[u8]) -> Option<Self> {
        let address = match u8_at(entry, 0)? {
            AF_INET => IpAddr::V4(Ipv4Addr::from(array_at::<4>(entry, 4)?)),
            _ => IpAddr::V6(Ipv6Addr::from(array_at::<16>(entry, 4)?)),
        };
        Some(Self { address, prefix_length: u8_at(entry, 1)?, key_length: u16_at(entry, 2)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message with an attribute of one word, one with the keys of two peers, and another one.
    fn message() -> Vec<u8> {
        let mut bytes = vec![0; NLMSG_HDRLEN + INET_DIAG_MSG_LEN];
        let attribute = |kind: u16, value: &[u8]| {
            let length = (4 + value.len()) as u16;
            [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat()
        };
        let entry = |peer: u8| [&[2, 32, 80, 0, 10, 0, 0, peer][..], &[0; 12], &[7; 80]].concat();
        bytes.extend(attribute(1, &[9; 4]));
        bytes.extend(attribute(INET_DIAG_MD5SIG, &[entry(1), entry(2)].concat()));
        bytes.extend(attribute(2, &[9; 4]));
        let length = bytes.len() as u32;
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes
    }

    #[test]
    fn keys_are_blanked_and_nothing_else() {
        let clear = [message(), message()].concat();
        let mut blank = clear.clone();
        assert_eq!(blank_keys(&mut blank), 4);
        assert!(!blank.contains(&7));
        let same = clear.iter().zip(&blank).filter(|(one, other)| one == other).count();
        assert_eq!(clear.len() - same, 4 * 80);
        let mut again = blank.clone();
        blank_keys(&mut again);
        assert_eq!(again, blank);
        let mut other = vec![9; 400];
        assert_eq!((blank_keys(&mut other), other), (0, vec![9; 400]));
    }

    #[test]
    fn a_cut_message_keeps_no_key() {
        let whole = message();
        for length in 0..whole.len() {
            let mut cut = [&whole[..], &whole[..length]].concat();
            blank_keys(&mut cut);
            assert!(!cut.contains(&7), "{length}");
            assert_eq!(cut.len(), whole.len() + length);
        }
    }
}
