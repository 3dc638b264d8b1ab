//! The listening sockets of one network namespace, and which of them accepted a connection.

use std::net::{IpAddr, Ipv6Addr};

use rustc_hash::FxHashMap;

use crate::model::{Endpoint, RoleBasis, Socket, State};

/// The address of listeners: what the kernel compares a SYN with. Listeners that agree in all of it
/// form a SO_REUSEPORT group, since the kernel refuses a second one otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ListenAddress {
    /// The address, possibly the wildcard.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// Interface that the listeners are bound to, 0 for none.
    pub interface: u32,
    /// IPv6 listeners that refuse IPv4.
    pub v6only: bool,
}

impl ListenAddress {
    /// The address of a listening socket.
    pub fn of(socket: &Socket) -> Self {
        Self {
            address: socket.local.address,
            port: socket.local.port,
            interface: socket.interface,
            v6only: socket.v6only.unwrap_or(false),
        }
    }

    /// Whether a connection with this local address can be a child of such a listener, and how well
    /// it fits. Children have their listener's family: those of a dual-stack listener are
    /// v4-mapped. Like `compute_score()` (net/ipv4/inet_hashtables.c, 6.18), an exact address
    /// precedes the wildcard, and a listener bound to the interface one that is not.
    fn takes(&self, address: IpAddr, interface: u32) -> Option<(RoleBasis, bool)> {
        if self.interface != 0 && self.interface != interface {
            return None;
        }
        let bound = self.interface != 0;
        if self.address == address {
            return Some((RoleBasis::ListenerOnAddress, bound));
        }
        let wildcard = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(_)) => own.is_unspecified(),
            (IpAddr::V6(own), IpAddr::V6(other)) if other.to_ipv4_mapped().is_some() => {
                own == Ipv6Addr::UNSPECIFIED && !self.v6only
                    || own.to_ipv4_mapped().is_some_and(|own| own.is_unspecified())
            }
            (IpAddr::V6(own), IpAddr::V6(_)) => own.is_unspecified(),
            _ => false,
        };
        wildcard.then_some((RoleBasis::ListenerOnWildcard, bound))
    }
}

/// Listeners of one address, by cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerGroup {
    /// Their address.
    pub at: ListenAddress,
    /// Their cookies; more than one only with SO_REUSEPORT.
    pub cookies: Vec<u64>,
}

/// The listeners of one network namespace.
#[derive(Debug, Default)]
pub struct Listeners {
    by_port: FxHashMap<u16, Vec<ListenerGroup>>,
    known: bool,
}

impl Listeners {
    /// Forgets all listeners.
    pub fn clear(&mut self) {
        self.by_port.clear();
    }

    /// Marks the listeners as known, even if there are none.
    pub fn set_known(&mut self) {
        self.known = true;
    }

    /// Whether they were read.
    pub fn are_known(&self) -> bool {
        self.known
    }

    /// Adds a socket, if it listens.
    pub fn add(&mut self, socket: &Socket) {
        if socket.state != State::Listen {
            return;
        }
        self.insert(ListenAddress::of(socket), socket.cookie);
    }

    /// Adds a listener by its cookie.
    pub fn insert(&mut self, at: ListenAddress, cookie: u64) {
        self.known = true;
        let groups = self.by_port.entry(at.port).or_default();
        match groups.iter_mut().find(|group| group.at == at) {
            Some(group) if group.cookies.contains(&cookie) => {}
            Some(group) => group.cookies.push(cookie),
            None => groups.push(ListenerGroup { at, cookies: vec![cookie] }),
        }
    }

    /// Adds listeners that are known already.
    pub(super) fn add_group(&mut self, group: ListenerGroup) {
        self.by_port.entry(group.at.port).or_default().push(group);
    }

    /// Removes the listeners of an address.
    pub(super) fn remove(&mut self, at: &ListenAddress) {
        if let Some(groups) = self.by_port.get_mut(&at.port) {
            groups.retain(|group| group.at != *at);
        }
    }

    /// The listeners that accepted a connection with this local end, and how they match.
    #[inline]
    pub fn find(&self, local: Endpoint, interface: u32) -> Option<(&ListenerGroup, RoleBasis)> {
        let groups = self.by_port.get(&local.port)?;
        let fits = groups.iter().filter_map(|group| {
            let (basis, bound) = group.at.takes(local.address, interface)?;
            let exact = basis == RoleBasis::ListenerOnAddress;
            Some(((exact, bound), group, basis))
        });
        fits.max_by_key(|(rank, ..)| *rank).map(|(_, group, basis)| (group, basis))
    }

    /// The listeners that a half-open connection with this local end waits on. IPv4 requests of a
    /// dual-stack listener are not v4-mapped.
    pub fn find_request(&self, local: Endpoint, interface: u32) -> Option<&ListenerGroup> {
        let mapped = match local.address {
            IpAddr::V4(address) => Some(IpAddr::V6(address.to_ipv6_mapped())),
            IpAddr::V6(_) => None,
        };
        let found = self
            .find(local, interface)
            .or_else(|| self.find(Endpoint { address: mapped?, port: local.port }, interface));
        found.map(|(group, _)| group)
    }

    /// The listeners that accept a connection to this end through any interface; `None` if that
    /// depends on the interface.
    pub fn find_anywhere(&self, end: Endpoint) -> Option<&ListenerGroup> {
        if let Some((group, _)) = self.find(end, 0) {
            return Some(group);
        }
        let groups = self.by_port.get(&end.port)?;
        let mut fitting =
            groups.iter().filter(|group| group.at.takes(end.address, group.at.interface).is_some());
        let first = fitting.next()?;
        fitting.next().is_none().then_some(first)
    }

    /// The group at this address.
    pub fn group(&self, at: &ListenAddress) -> Option<&ListenerGroup> {
        self.by_port.get(&at.port)?.iter().find(|group| group.at == *at)
    }

    /// All groups.
    pub fn groups(&self) -> impl Iterator<Item = &ListenerGroup> {
        self.by_port.values().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::example::socket;

    fn listener(address: &str, v6only: bool, interface: u32, cookie: u64) -> Socket {
        let local = Endpoint { address: address.parse().unwrap(), port: 80 };
        let state = State::Listen;
        Socket { state, local, v6only: Some(v6only), interface, cookie, ..socket() }
    }

    #[test]
    fn addresses_and_families_that_a_listener_takes() {
        let cases = [
            ("10.0.0.1", false, 0, "10.0.0.1", 0, Some(RoleBasis::ListenerOnAddress)),
            ("0.0.0.0", false, 0, "10.0.0.1", 0, Some(RoleBasis::ListenerOnWildcard)),
            ("10.0.0.2", false, 0, "10.0.0.1", 0, None),
            ("::", false, 0, "::ffff:10.0.0.1", 0, Some(RoleBasis::ListenerOnWildcard)),
            ("::", true, 0, "::ffff:10.0.0.1", 0, None),
            ("::", true, 0, "2001:db8::1", 0, Some(RoleBasis::ListenerOnWildcard)),
            ("::ffff:0.0.0.0", false, 0, "::ffff:10.0.0.1", 0, Some(RoleBasis::ListenerOnWildcard)),
            // Children of a v6 listener are v6 sockets, of a v4 listener v4 ones.
            ("::", false, 0, "10.0.0.1", 0, None),
            ("0.0.0.0", false, 0, "::ffff:10.0.0.1", 0, None),
            ("0.0.0.0", false, 2, "10.0.0.1", 0, None),
            ("0.0.0.0", false, 2, "10.0.0.1", 2, Some(RoleBasis::ListenerOnWildcard)),
            // A link-local connection has an interface though its listener has none.
            ("::", false, 0, "fe80::1", 2, Some(RoleBasis::ListenerOnWildcard)),
        ];
        for (own, v6only, bound, local, interface, basis) in cases {
            let at = ListenAddress::of(&listener(own, v6only, bound, 1));
            let taken = at.takes(local.parse().unwrap(), interface).map(|(basis, _)| basis);
            assert_eq!(taken, basis, "{own} (v6only {v6only}, bound {bound}) takes {local}");
        }
    }

    #[test]
    fn the_best_fitting_listeners_are_found_by_cookie() {
        let mut listeners = Listeners::default();
        for socket in [
            listener("0.0.0.0", false, 0, 1),
            listener("0.0.0.0", false, 0, 2),
            listener("10.0.0.1", false, 0, 3),
            listener("0.0.0.0", false, 7, 4),
            listener("::", true, 0, 5),
        ] {
            listeners.add(&socket);
            listeners.add(&socket);
        }
        for (local, interface, cookies) in [
            ("10.0.0.9", 0, &[1, 2][..]),
            ("10.0.0.1", 0, &[3]),
            ("10.0.0.9", 7, &[4]),
            ("10.0.0.1", 7, &[3]),
            ("2001:db8::1", 0, &[5]),
        ] {
            let end = Endpoint { address: local.parse().unwrap(), port: 80 };
            let (group, _) = listeners.find(end, interface).unwrap();
            assert_eq!(group.cookies, cookies, "{local}%{interface}");
        }
        let mapped = Endpoint { address: "::ffff:10.0.0.1".parse().unwrap(), port: 80 };
        assert!(listeners.find(mapped, 0).is_none());
        let plain = Endpoint { address: "10.0.0.9".parse().unwrap(), port: 81 };
        assert!(listeners.find_request(plain, 0).is_none());
        let mut dual = listener("::", false, 0, 6);
        dual.local.port = 81;
        listeners.add(&dual);
        assert_eq!(listeners.find_request(plain, 0).unwrap().cookies, [6]);
    }

    #[test]
    fn listeners_are_added_and_removed() {
        let mut listeners = Listeners::default();
        assert!(!listeners.are_known());
        listeners.add(&socket());
        assert!(!listeners.are_known(), "a connection does not listen");
        listeners.set_known();
        assert!(listeners.are_known() && listeners.groups().next().is_none());
        let (four, six) = (listener("0.0.0.0", false, 0, 1), listener("::", true, 0, 2));
        listeners.add(&four);
        listeners.insert(ListenAddress::of(&six), six.cookie);
        let group = listeners.group(&ListenAddress::of(&six)).cloned().unwrap();
        assert_eq!(group.cookies, [2]);
        listeners.remove(&group.at);
        assert!(listeners.group(&group.at).is_none());
        listeners.add_group(group);
        let mut cookies: Vec<u64> =
            listeners.groups().flat_map(|group| group.cookies.clone()).collect();
        cookies.sort_unstable();
        assert_eq!(cookies, [1, 2]);
        listeners.clear();
        assert!(listeners.groups().next().is_none() && listeners.are_known());
    }
}
