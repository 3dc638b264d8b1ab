//! Addresses that tell hosts apart.

use std::fmt;
use std::net::IpAddr;

/// An address with what it takes to tell its host from others. A link-local IPv6 address may belong
/// to another host on every link, so it comes with the interface of the link (RFC 4007, section 6).
/// The kernel binds a socket with such an address to that interface (`tcp_v6_connect()`,
/// `tcp_v6_init_req()`, `__inet6_bind()`). A v4-mapped address is the IPv4 address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopedAddress {
    address: IpAddr,
    zone: u32,
}

impl ScopedAddress {
    /// The address of one end of a socket that is bound to this interface, 0 for none.
    pub fn of(address: IpAddr, interface: u32) -> Self {
        let address = address.to_canonical();
        Self { address, zone: if is_link_local(address) { interface } else { 0 } }
    }

    /// The address alone.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The index of the interface of its link, 0 where the address needs none.
    pub fn zone(&self) -> u32 {
        self.zone
    }
}

/// Whether an address means another host on every link.
pub fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

impl fmt::Display for ScopedAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(formatter)?;
        match self.zone {
            0 => Ok(()),
            zone => write!(formatter, "%{zone}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_link_local_addresses_have_a_zone() {
        for (address, interface, shown) in [
            ("fe80::1", 3, "fe80::1%3"),
            ("febf::1", 3, "febf::1%3"),
            ("fe80::1", 0, "fe80::1"),
            ("fec0::1", 3, "fec0::1"),
            ("2001:db8::1", 3, "2001:db8::1"),
            ("169.254.0.1", 3, "169.254.0.1"),
            ("::ffff:10.0.0.1", 3, "10.0.0.1"),
        ] {
            let found = ScopedAddress::of(address.parse().unwrap(), interface);
            assert_eq!(found.to_string(), shown);
        }
        let on = |interface| ScopedAddress::of("fe80::1".parse().unwrap(), interface);
        assert!(on(2) != on(3) && on(2) == on(2));
    }
}
