//! `INET_DIAG_MD5SIG`: for whom a socket holds TCP-MD5 keys (RFC 2385). The
//! keys come along to holders of CAP_NET_ADMIN; they are never kept or shown.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use std::ops::Range;

use super::attribute::Attributes;
use super::bytes::{array_at, u8_at, u16_at};
use super::message::Messages;
use super::reply::{HEADER_LENGTH, kind::MD5SIG};

/// Where the key lies in an entry.
const KEY: Range<usize> = 20..Md5Keys::ENTRY;

/// Length of a message's header.
const MESSAGE: usize = 16;

/// Fills the keys in a datagram of socket records with zeros; tells how many there were. Whom they
/// are for and how long they are stays. Of a message that is cut nothing but its header is left.
pub fn blank_keys(datagram: &mut [u8]) -> usize {
    if !may_hold_keys(datagram) {
        return 0;
    }
    let base = datagram.as_ptr().addr();
    let length = datagram.len();
    let mut keys = Vec::new();
    for (message, bytes) in Messages::new(datagram).framed() {
        let Ok(message) = message else {
            keys.push(length - bytes.len().saturating_sub(MESSAGE)..length);
            break;
        };
        let attributes = message.payload.get(HEADER_LENGTH..).unwrap_or_default();
        for attribute in Attributes::new(attributes).map_while(Result::ok) {
            if attribute.kind == MD5SIG {
                let start = attribute.value.as_ptr().addr() - base;
                let entries = attribute.value.len().div_ceil(Md5Keys::ENTRY);
                let end = start + attribute.value.len();
                keys.extend(
                    (0..entries)
                        .map(|entry| start + entry * Md5Keys::ENTRY)
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

/// Whether some word of it may be the header of an attribute with keys. Nearly always none is, and
/// this costs a tenth of walking the attributes.
fn may_hold_keys(datagram: &[u8]) -> bool {
    let (words, _) = datagram.as_chunks::<4>();
    let hit = |[_, _, low, high]: [u8; 4]| u16::from_ne_bytes([low, high]) == MD5SIG;
    words.iter().fold(false, |found, word| found | hit(*word))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    /// A message with an attribute of one word, one of keys of `KEY` bytes for two peers, and one
    /// more.
    fn message() -> Vec<u8> {
        let mut bytes = vec![0; MESSAGE + HEADER_LENGTH];
        let attribute = |kind: u16, value: &[u8]| {
            let length = (4 + value.len()) as u16;
            [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat()
        };
        let entry = |peer: u8| [&[2, 32, 80, 0, 10, 0, 0, peer][..], &[0; 12], &[7; 80]].concat();
        bytes.extend(attribute(1, &[9; 4]));
        bytes.extend(attribute(MD5SIG, &[entry(1), entry(2)].concat()));
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
    fn a_cut_one_keeps_no_key() {
        let whole = message();
        for length in 0..whole.len() {
            let mut cut = [&whole[..], &whole[..length]].concat();
            blank_keys(&mut cut);
            assert!(!cut.contains(&7), "{length}");
            assert_eq!(cut.len(), whole.len() + length);
        }
    }
}
