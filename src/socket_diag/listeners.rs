//! Which local ports have a listener, and so which sockets are a server's.

use std::net::{IpAddr, Ipv6Addr};
use std::ops::ControlFlow;

use rustc_hash::FxHashMap;

use super::{DumpOutcome, Error, Query, Sockets, Transport};
use crate::model::{Endpoint, Families, Role, RoleBasis, Socket, State, StateSet};
use crate::wire::{Extensions, Reply};

/// One listening socket, as far as roles need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// Its address, possibly the wildcard.
    pub address: IpAddr,
    /// Interface it is bound to, 0 for none.
    pub interface: u32,
    /// An IPv6 one that refuses IPv4.
    pub v6only: bool,
}

impl Listener {
    /// Whether a connection to `address` would come to this listener. Unlike its
    /// children, its IPv4 requests are not v4-mapped.
    pub fn serves(&self, address: IpAddr, interface: u32) -> bool {
        let mapped = match address {
            IpAddr::V4(address) => Some(IpAddr::V6(address.to_ipv6_mapped())),
            IpAddr::V6(_) => None,
        };
        self.takes(address, interface).is_some()
            || mapped.is_some_and(|address| self.takes(address, interface).is_some())
    }

    /// Whether a socket at `address` can be this listener's child. Children
    /// have their listener's family: a dual-stack listener's are v4-mapped.
    fn takes(&self, address: IpAddr, interface: u32) -> Option<RoleBasis> {
        if self.interface != 0 && self.interface != interface {
            return None;
        }
        if self.address == address {
            return Some(RoleBasis::ListenerOnAddress);
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
        wildcard.then_some(RoleBasis::ListenerOnWildcard)
    }
}

/// How often a reading is tried that the kernel says was disturbed.
const TRIES: u32 = 3;

/// The listeners of one network namespace by port.
#[derive(Debug, Default)]
pub struct Listeners {
    by_port: FxHashMap<u16, Vec<Listener>>,
    known: bool,
}

impl Listeners {
    /// Reads them anew, at most three times while the table changes under
    /// the reading. Costs one walk of the kernel's small listening table.
    ///
    /// # Errors
    /// As [`Sockets::read`].
    pub fn read<T: Transport>(&mut self, sockets: &mut Sockets<T>) -> Result<DumpOutcome, Error> {
        let query = Query {
            families: Families::BOTH,
            states: StateSet::of(&[State::Listen]),
            extensions: Extensions::default(),
            local_port: 0,
            remote_port: 0,
            program: &[],
        };
        let mut tries = 1;
        loop {
            self.clear();
            let outcome = sockets.read(&query, |reply| {
                self.add(reply);
                ControlFlow::Continue(())
            })?;
            self.known = true;
            if outcome.interrupted == 0 || tries == TRIES {
                return Ok(outcome);
            }
            tries += 1;
        }
    }

    /// Adds one, if it is a listener.
    pub fn add(&mut self, reply: &Reply<'_>) {
        if reply.state() == State::Listen as u8 {
            let listener = Listener {
                address: reply.local_address(),
                interface: reply.interface(),
                v6only: reply.v6only().unwrap_or(false),
            };
            self.put(reply.local_port(), listener);
        }
    }

    /// The part that a socket plays, and why.
    #[inline]
    pub fn role(&self, socket: &Socket) -> (Role, RoleBasis) {
        match socket.state {
            State::Listen => return (Role::Listener, RoleBasis::Listening),
            State::SynSent => return (Role::Client, RoleBasis::SynSent),
            State::SynRecv => return (Role::Server, RoleBasis::SynRecv),
            State::Close | State::BoundInactive => return (Role::Unknown, RoleBasis::NotConnected),
            _ if !self.known => return (Role::Unknown, RoleBasis::ListenersUnknown),
            _ => {}
        }
        self.connection(socket.local, socket.interface)
    }

    /// The part of a connection's end at `local`, whatever became of it.
    pub fn connection(&self, local: Endpoint, interface: u32) -> (Role, RoleBasis) {
        let found = self.by_port.get(&local.port).and_then(|listeners| {
            let mut bases = listeners.iter().filter_map(|own| own.takes(local.address, interface));
            let first = bases.next()?;
            Some(bases.find(|basis| *basis == RoleBasis::ListenerOnAddress).unwrap_or(first))
        });
        found.map_or((Role::Client, RoleBasis::NoListener), |basis| (Role::Server, basis))
    }

    /// Forgets them all, before they are read anew.
    pub fn clear(&mut self) {
        self.by_port.values_mut().for_each(Vec::clear);
    }

    /// Adds one, if it is a listener.
    pub fn learn(&mut self, socket: &Socket) {
        if socket.state == State::Listen {
            self.put(
                socket.local.port,
                Listener {
                    address: socket.local.address,
                    interface: socket.interface,
                    v6only: socket.v6only.unwrap_or(false),
                },
            );
        }
    }

    fn put(&mut self, port: u16, listener: Listener) {
        self.by_port.entry(port).or_default().push(listener);
        self.known = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_whom() {
        let listener = |address: &str, v6only, interface| Listener {
            address: address.parse().unwrap(),
            interface,
            v6only,
        };
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
        ];
        for (own, v6only, bound, local, interface, basis) in cases {
            let taken = listener(own, v6only, bound).takes(local.parse().unwrap(), interface);
            assert_eq!(taken, basis, "{own} (v6only {v6only}, bound {bound}) takes {local}");
        }
    }
}
