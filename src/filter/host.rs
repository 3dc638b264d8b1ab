//! Addresses, prefixes and ports in the syntax of ss.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::error::{Fault, Span, quoted};
use super::expr::Expr;
use super::predicate::{Comparison, Family, Predicate};
use super::{InterfaceIndex, Names, Side};

const HOST: &str = "ADDRESS[%INTERFACE][/LENGTH][:PORT], [V6-ADDRESS[%INTERFACE]][/LENGTH][:PORT] \
    with the outer brackets, :PORT, *, each after inet: or inet6: if wanted";
/// Names of interfaces that an error lists.
const SHOWN: usize = 16;
const PORT: &str = "a number from 0 to 65535 or a service's name, after a colon if wanted";

/// The expression, and the names to look up.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) text: &'a str,
    pub(super) names: &'a dyn Names,
}

/// The value of `src` and `dst`. Parts that are left out match everything.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Host {
    family: Option<Family>,
    net: Option<IpNet>,
    /// That the socket is bound to the zone of the address, an interface; true without a zone.
    zone: Expr,
    port: Option<u16>,
}

impl Host {
    /// The condition that one end is this host; without a side, that either end is.
    pub(super) fn on(self, side: Option<Side>) -> Expr {
        let Some(side) = side else {
            let local = self.clone().on(Some(Side::Local));
            return Expr::any(vec![local, self.on(Some(Side::Remote))]);
        };
        let side = Some(side);
        let is = |predicate: Option<Predicate>| predicate.map_or(Expr::True, Expr::Is);
        let family = self.family.map(Predicate::Family);
        let net = self.net.map(|net| Predicate::Prefix { side, net });
        let port = self.port.map(|port| Predicate::Port { side, op: Comparison::Equal, port });
        Expr::all(vec![is(family), is(net), self.zone, is(port)])
    }
}

impl Scope<'_> {
    /// The position of `part`, a slice of the expression.
    pub(super) fn span(&self, part: &str) -> Span {
        let start = part.as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        Span { start, end: start + part.len() }
    }

    /// Reads `[FAMILY:]ADDRESS[%INTERFACE][/LENGTH][:PORT]`.
    pub(super) fn host(&self, word: &str) -> Result<Host, Fault> {
        let (family, rest) = family(word);
        if rest.is_empty() && family.is_some() {
            return Ok(Host { family, net: None, zone: Expr::True, port: None });
        }
        let (address, port) = self.cut(rest)?;
        let (net, zone) = match address {
            "" | "*" => (None, Expr::True),
            address => {
                let (net, zone) = self.net(address)?;
                (Some(net), zone)
            }
        };
        let port = match port {
            None | Some("*") => None,
            Some(port) => Some(self.port_number(port)?),
        };
        if let (Some(family), Some(net)) = (family, net)
            && (family == Family::V4) != matches!(net, IpNet::V4(_))
        {
            let message = format!("{} is not of the family before it", quoted(address));
            return Err(Fault::new(self.span(address), message));
        }
        Ok(Host { family, net, zone, port })
    }

    /// Reads a port, with an optional family and `:` before it; `*` is any port.
    pub(super) fn port(&self, word: &str) -> Result<(Option<Family>, Option<u16>), Fault> {
        let (family, rest) = family(word);
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        let port = if rest == "*" { None } else { Some(self.port_number(rest)?) };
        Ok((family, port))
    }

    /// Splits address and port. Brackets belong to the address.
    fn cut<'w>(&self, word: &'w str) -> Result<(&'w str, Option<&'w str>), Fault> {
        if let Some(inner) = word.strip_prefix('[') {
            let Some((_, behind)) = inner.split_once(']') else {
                return Err(Fault::new(self.span(word), "the closing ] is missing").accepting(HOST));
            };
            return Ok(match behind.split_once(':') {
                Some((length, port)) => {
                    (word.get(..word.len() - port.len() - 1).unwrap_or(length), Some(port))
                }
                None => (word, None),
            });
        }
        let plain = word.split(['/', '%']).next().unwrap_or(word);
        if plain.parse::<Ipv6Addr>().is_ok() {
            // The name of an interface has no colon (`dev_valid_name()`).
            let zone = word.find('%').and_then(|at| word.get(at..)).unwrap_or_default();
            let port = zone.split_once(':').map(|(_, port)| port);
            let address = port.and_then(|port| word.get(..word.len() - port.len() - 1));
            return Ok((address.unwrap_or(word), port));
        }
        match word.split_once(':') {
            Some((address, port)) if !port.contains(':') => Ok((address, Some(port))),
            None => Ok((word, None)),
            Some(_) => Err(self.no_address(word)),
        }
    }

    /// Reads an address with or without a zone and the length of a prefix.
    fn net(&self, word: &str) -> Result<(IpNet, Expr), Fault> {
        let (written, length) = match word.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (word, None),
        };
        let (written, zone) = split_zone(written);
        let zone = zone.map_or(Ok(Expr::True), |zone| self.interface(zone))?;
        let address = address(written, length.is_some()).ok_or_else(|| self.no_address(written))?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let bits = match length {
            None => Some(longest),
            Some(length) => plain(length).filter(|&bits| bits <= longest),
        };
        let net = bits.and_then(|bits| IpNet::new(address, u8::try_from(bits).ok()?).ok());
        net.map(|net| (net.trunc(), zone)).ok_or_else(|| {
            let length = length.unwrap_or(word);
            let message = format!("{} is not the length of a prefix", quoted(length));
            Fault::new(self.span(length), message).accepting(format!("0 to {longest}"))
        })
    }

    fn no_address(&self, word: &str) -> Fault {
        let mut message = format!("{} is not an address", quoted(word));
        if !word.contains(':') && word.contains(|c: char| c.is_ascii_alphabetic()) {
            message.push_str("; hosts' names are not looked up");
        }
        Fault::new(self.span(word), message).accepting(HOST)
    }

    /// The sockets that are bound to an interface, which is given by name or index.
    pub(super) fn interface(&self, word: &str) -> Result<Expr, Fault> {
        let mut found = self.names.interface(word);
        if found.is_empty() && !word.is_empty() {
            found.extend(plain(word).map(|index| InterfaceIndex { netns: None, index }));
        }
        if found.is_empty() {
            let names = self.names.interfaces();
            let known = if names.is_empty() {
                String::new()
            } else {
                let more = if names.len() > SHOWN { ", ..." } else { "" };
                let names: Vec<String> =
                    names.iter().take(SHOWN).map(|name| quoted(name)).collect();
                format!(": {}{more}", names.join(", "))
            };
            let message = match word {
                "" => "an interface is missing".to_owned(),
                word => format!("no interface {}", quoted(word)),
            };
            return Err(Fault::new(self.span(word), message)
                .accepting(format!("the name or the index of an interface{known}")));
        }
        let mut namespaces: BTreeMap<u32, Vec<Expr>> = BTreeMap::new();
        for InterfaceIndex { netns, index } in found {
            let here = netns.map_or(Expr::True, |inode| Predicate::NetnsInode(inode).into());
            namespaces.entry(index).or_default().push(here);
        }
        let bound = namespaces.into_iter().map(|(index, namespaces)| {
            Expr::from(Predicate::Interface(index)).and(Expr::any(namespaces))
        });
        Ok(Expr::any(bound.collect()))
    }

    fn port_number(&self, word: &str) -> Result<u16, Fault> {
        let port = plain(word).and_then(|port| u16::try_from(port).ok());
        if let Some(port) = port.or_else(|| self.names.port(word)) {
            return Ok(port);
        }
        let message = if word.is_empty() {
            "a port is missing".to_owned()
        } else {
            format!("{} is no port and no known service", quoted(word))
        };
        Err(Fault::new(self.span(word), message).accepting(PORT))
    }
}

/// A number of digits only.
pub(super) fn plain(word: &str) -> Option<u32> {
    if word.bytes().all(|byte| byte.is_ascii_digit()) { word.parse().ok() } else { None }
}

fn family(word: &str) -> (Option<Family>, &str) {
    if let Some(rest) = word.strip_prefix("inet6:") {
        (Some(Family::V6), rest)
    } else if let Some(rest) = word.strip_prefix("inet:") {
        (Some(Family::V4), rest)
    } else {
        (None, word)
    }
}

/// An address and the interface behind `%`, which stands within the brackets or behind them.
/// Without brackets around it, the address has none.
pub fn split_zone(word: &str) -> (&str, Option<&str>) {
    let inner = word.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    match inner.unwrap_or(word).split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (word, None),
    }
}

/// An address, with or without brackets. With a prefix length, the last numbers of an IPv4 address may
/// be left out: `193.233.7/24`.
fn address(word: &str, is_prefix: bool) -> Option<IpAddr> {
    if let Some(inner) = word.strip_prefix('[') {
        return inner.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    if let Ok(address) = word.parse() {
        return Some(address);
    }
    let mut octets = [0; 4];
    let given = word.split('.').count();
    if !is_prefix || given > octets.len() {
        return None;
    }
    for (octet, number) in octets.iter_mut().zip(word.split('.')) {
        *octet = plain(number).and_then(|number| u8::try_from(number).ok())?;
    }
    Some(IpAddr::V4(Ipv4Addr::from(octets)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::NoNames;

    fn read(text: &str) -> Host {
        Scope { text, names: &NoNames }.host(text).unwrap_or_else(|fault| panic!("{fault:?}"))
    }

    #[test]
    fn hosts() {
        use Family::{V4, V6};
        for (text, family, net, port) in [
            ("10.0.0.1", None, Some("10.0.0.1/32"), None),
            ("10.0.0.1:22", None, Some("10.0.0.1/32"), Some(22)),
            ("10.1.2.3/8:443", None, Some("10.0.0.0/8"), Some(443)),
            ("10/8", None, Some("10.0.0.0/8"), None),
            ("193.233.7/24", None, Some("193.233.7.0/24"), None),
            ("[::1]:22", None, Some("::1/128"), Some(22)),
            ("[2001:db8::]/32:443", None, Some("2001:db8::/32"), Some(443)),
            ("[::1]", None, Some("::1/128"), None),
            ("::1", None, Some("::1/128"), None),
            ("fe80::/10", None, Some("fe80::/10"), None),
            ("::", None, Some("::/128"), None),
            ("::/0", None, Some("::/0"), None),
            ("::ffff:10.0.0.1", None, Some("::ffff:10.0.0.1/128"), None),
            (":22", None, None, Some(22)),
            ("*", None, None, None),
            ("*:22", None, None, Some(22)),
            ("*:*", None, None, None),
            ("10.0.0.1:*", None, Some("10.0.0.1/32"), None),
            ("inet:10.0.0.1:22", Some(V4), Some("10.0.0.1/32"), Some(22)),
            ("inet6:[::1]:22", Some(V6), Some("::1/128"), Some(22)),
            ("inet6:::1", Some(V6), Some("::1/128"), None),
            ("inet6:*:22", Some(V6), None, Some(22)),
            ("inet6::22", Some(V6), None, Some(22)),
            ("inet:", Some(V4), None, None),
        ] {
            let net = net.map(|net| net.parse().unwrap());
            assert_eq!(read(text), Host { family, net, zone: Expr::True, port }, "{text}");
        }
    }
}
