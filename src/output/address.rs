//! Formats addresses like std, but without its formatting machinery: every table row has two.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::human::count;
use crate::model::Endpoint;
use crate::monitor::Interface;

/// Appends an address. A v4-mapped one is written as the IPv4 address that it is on the network.
pub(super) fn address(address: &IpAddr, out: &mut String) {
    match address.to_canonical() {
        IpAddr::V4(address) => v4(&address, out),
        IpAddr::V6(address) => v6(&address, out),
    }
}

/// `1.2.3.4:80`, `[::1]:80`, `[fe80::1%eth0]:80`, `*:80` for a wildcard. Filters accept the same.
pub(super) fn endpoint(end: &Endpoint, zone: Option<Interface<'_>>, out: &mut String) {
    let v6 = end.address.to_canonical().is_ipv6();
    if v6 {
        out.push('[');
    }
    address(&end.address, out);
    match zone {
        Some(Interface { name: Some(name), .. }) => drop(write!(out, "%{name}")),
        Some(Interface { index, .. }) => drop(write!(out, "%{index}")),
        None => {}
    }
    out.push_str(if v6 { "]:" } else { ":" });
    if end.port == 0 {
        out.push('*');
    } else {
        count(end.port.into(), out);
    }
}

fn v4(address: &Ipv4Addr, out: &mut String) {
    let [first, rest @ ..] = address.octets();
    count(first.into(), out);
    for octet in rest {
        out.push('.');
        count(octet.into(), out);
    }
}

fn v6(address: &Ipv6Addr, out: &mut String) {
    let segments = address.segments();
    let zeros = longest_zeros(&segments);
    let mut index = 0;
    while let Some(&segment) = segments.get(index) {
        if index == zeros.start && zeros.len() > 1 {
            out.push_str("::");
            index = zeros.end;
            continue;
        }
        if index > 0 && !out.ends_with(':') {
            out.push(':');
        }
        hexadecimal(segment, out);
        index += 1;
    }
}

/// The first of the longest runs of zeros (RFC 5952, section 4.2).
fn longest_zeros(segments: &[u16; 8]) -> std::ops::Range<usize> {
    let (mut longest, mut run) = (0..0, 0..0);
    for (index, &segment) in segments.iter().enumerate() {
        run = if segment == 0 { run.start..index + 1 } else { index + 1..index + 1 };
        if run.len() > longest.len() {
            longest = run.clone();
        }
    }
    longest
}

fn hexadecimal(segment: u16, out: &mut String) {
    let mut shift = 16 - segment.leading_zeros().min(12) / 4 * 4;
    while shift > 0 {
        shift -= 4;
        out.extend(char::from_digit(u32::from(segment >> shift & 0xf), 16));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_std() {
        let mut addresses: Vec<IpAddr> = [
            "0.0.0.0",
            "127.0.0.1",
            "255.255.255.255",
            "10.20.30.40",
            "::ffff:1.2.3.4",
            "::1.2.3.4",
            "fe80::1",
            "2001:db8::8:800:200c:417a",
            "2001:0:0:1::1",
            "1::",
            "64:ff9b::192.0.2.33",
            "1:0:3:0:5:0:7:0",
            "abcd:ef01:2345:6789:abcd:ef01:2345:6789",
        ]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
        // Every pattern of zero segments.
        addresses.extend((0..256u32).map(|bits| {
            let segment = |index: u32| if bits >> index & 1 == 1 { 1 << (index * 2) } else { 0 };
            IpAddr::from(std::array::from_fn::<u16, 8, _>(|index| segment(index as u32)))
        }));
        for ip in addresses {
            let mut out = String::new();
            address(&ip, &mut out);
            assert_eq!(out, ip.to_canonical().to_string());
        }
    }
}
