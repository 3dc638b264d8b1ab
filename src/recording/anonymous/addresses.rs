//! Addresses that keep their common prefixes and nothing else.
//!
//! Whether a bit is flipped depends on the key and the bits before it (Crypto-PAn: Xu, Fan, Ammar,
//! Moon, 2002), so that two addresses keep the length of their common prefix, and none can be
//! recovered without the key. The bits that make an address loopback, multicast, link-local or
//! v4-mapped are never flipped. (So an IPv4 address keeps its first one to three bits, a global IPv6
//! address its first three.)

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustc_hash::FxHashMap;

use super::key::{Key, Use};

/// How many addresses are remembered.
const MOST: usize = 1 << 18;

/// Loopback, link-local, multicast; the first bits of 32.
const KINDS_V4: [(u32, u32); 3] = [(0x7f00_0000, 8), (0xa9fe_0000, 16), (0xe000_0000, 4)];

/// Unspecified and loopback, link-local, unique local, v4-mapped. Multicast is below.
const KINDS_V6: [(u128, u32); 5] =
    [(1, 128), (0xfe80 << 112, 10), (0xfc00 << 112, 7), (0xffff << 32, 96), (0xff << 120, 8)];

/// `::ffff:0:0/96`.
const MAPPED: u128 = 0xffff << 32;

/// Multicast addresses keep their flags and scope.
const SCOPE: u32 = 16;

/// Maps addresses.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    known: FxHashMap<IpAddr, IpAddr>,
}

impl Addresses {
    /// The replacement of an address.
    pub(super) fn map(&mut self, key: &Key, address: IpAddr) -> IpAddr {
        if let Some(known) = self.known.get(&address) {
            return *known;
        }
        let mapped = match address {
            IpAddr::V4(address) => map_v4(key, address).into(),
            IpAddr::V6(address) => map_v6(key, address).into(),
        };
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.insert(address, mapped);
        mapped
    }
}

/// The unspecified address stays. The address that would map to it gets its replacement.
fn map_v4(key: &Key, address: Ipv4Addr) -> Ipv4Addr {
    if address.is_unspecified() {
        return address;
    }
    let mapped = permute_v4(key, address.to_bits());
    Ipv4Addr::from_bits(if mapped == 0 { permute_v4(key, 0) } else { mapped })
}

fn permute_v4(key: &Key, bits: u32) -> u32 {
    let mut mapped = 0;
    for at in 0..32 {
        let prefix = bits & !(u32::MAX >> at);
        let fixed = KINDS_V4
            .iter()
            .any(|&(kind, length)| at < length && kind & !(u32::MAX >> at) == prefix);
        let flip = !fixed && key.number(Use::Ipv4, at as u8, &prefix.to_be_bytes()) & 1 == 1;
        let own = bits >> (31 - at) & 1;
        mapped |= (own ^ u32::from(flip)) << (31 - at);
    }
    mapped
}

fn map_v6(key: &Key, address: Ipv6Addr) -> Ipv6Addr {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return map_v4(key, mapped).to_ipv6_mapped();
    }
    let bits = address.to_bits();
    let is_multicast = address.is_multicast();
    let mut mapped = 0;
    for at in 0..128 {
        let prefix = bits & !(u128::MAX >> at);
        let fixed = is_multicast && at < SCOPE
            || KINDS_V6
                .iter()
                .any(|&(kind, length)| at < length && kind & !(u128::MAX >> at) == prefix);
        let flip = !fixed && key.number(Use::Ipv6, at as u8, &prefix.to_be_bytes()) & 1 == 1;
        let own = bits >> (127 - at) & 1;
        mapped |= (own ^ u128::from(flip)) << (127 - at);
    }
    debug_assert_ne!(mapped >> 32, MAPPED >> 32);
    Ipv6Addr::from_bits(mapped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(key: &Key, text: &str) -> IpAddr {
        Addresses::default().map(key, text.parse().unwrap())
    }

    #[test]
    fn addresses_keep_their_kind() {
        for _ in 0..20 {
            let key = Key::random().unwrap();
            for same in ["0.0.0.0", "::", "::1", "::ffff:0.0.0.0"] {
                assert_eq!(map(&key, same), same.parse::<IpAddr>().unwrap());
            }
            let v4 = |text: &str| match map(&key, text) {
                IpAddr::V4(address) => address,
                IpAddr::V6(address) => panic!("{address}"),
            };
            let v6 = |text: &str| match map(&key, text) {
                IpAddr::V6(address) => address,
                IpAddr::V4(address) => panic!("{address}"),
            };
            assert!(v4("127.0.0.1").is_loopback());
            assert!(v4("169.254.3.4").is_link_local());
            assert!(v4("224.0.0.251").is_multicast());
            for usual in ["10.0.0.1", "192.168.1.7", "8.8.8.8", "172.16.0.1", "128.0.0.1"] {
                let mapped = v4(usual);
                let kind = mapped.is_loopback() || mapped.is_link_local() || mapped.is_multicast();
                assert!(!kind && !mapped.is_unspecified(), "{usual} {mapped}");
            }
            assert!(v6("fe80::1234").is_unicast_link_local());
            assert!(v6("fd99::1").is_unique_local());
            assert!(v6("ff02::1:3").to_string().starts_with("ff02:"));
            assert_eq!(v6("2001:db8::1").to_bits() >> 125, 1, "global unicast");
            assert_eq!(v6("::ffff:192.0.2.7").to_ipv4_mapped(), Some(v4("192.0.2.7")));
            assert_ne!(v4("10.0.0.1"), Ipv4Addr::new(10, 0, 0, 1));
        }
    }

    #[test]
    fn no_other_address_becomes_unspecified() {
        // The address that would map to 0.0.0.0, found by inverting the map.
        let key = Key::random().unwrap();
        let mut bits = 0u32;
        for at in 0..32 {
            for bit in [0, 1 << (31 - at)] {
                let tried = permute_v4(&key, bits | bit);
                if tried >> (31 - at) == 0 {
                    bits |= bit;
                    break;
                }
            }
        }
        assert_eq!(permute_v4(&key, bits), 0);
        if bits != 0 {
            assert_ne!(map_v4(&key, Ipv4Addr::from_bits(bits)), Ipv4Addr::UNSPECIFIED);
        }
    }

    proptest::proptest! {
        #[test]
        fn common_prefixes_stay(one: u128, other: u128, shared in 0u32..=128) {
            let key = Key::random().unwrap();
            let kept = u128::MAX.checked_shr(shared).map_or(u128::MAX, |rest| !rest);
            let other = one & kept | other & !kept;
            let (a, b) = (Ipv6Addr::from_bits(one), Ipv6Addr::from_bits(other));
            let (c, d) = (map_v6(&key, a), map_v6(&key, b));
            proptest::prop_assert_eq!(
                (one ^ other).leading_zeros(),
                (c.to_bits() ^ d.to_bits()).leading_zeros()
            );
            let (one, other) = ((one >> 96) as u32, (other >> 96) as u32);
            let (c, d) = (permute_v4(&key, one), permute_v4(&key, other));
            proptest::prop_assert_eq!((one ^ other).leading_zeros(), (c ^ d).leading_zeros());
        }
    }
}
