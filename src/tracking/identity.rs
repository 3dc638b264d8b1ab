//! Addresses and owner of a socket.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustc_hash::FxHashMap;

use crate::model::{Endpoint, Socket, State};

/// Addresses and owner of a socket, as of the last dump that had it. Its destroy event has no inode,
/// uid or cgroup, and may have no addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Own end.
    pub local: Endpoint,
    /// The peer's end.
    pub remote: Endpoint,
    /// State in the last dump; [`State::Close`] for one that lived between two polls.
    pub state: State,
    /// Interface the socket is bound to, 0 for none.
    pub interface: u32,
    /// User id of the owner, as of when a file last held the socket.
    pub uid: u32,
    /// Inode of the socket's file, 0 if none was seen.
    pub inode: u32,
    /// Id of the cgroup v2 that the socket was created in.
    pub cgroup_id: Option<u64>,
}

impl Identity {
    /// The identity of a socket as it is now.
    pub fn of(socket: &Socket) -> Self {
        Self {
            local: socket.local,
            remote: socket.remote,
            state: socket.state,
            interface: socket.interface,
            uid: socket.uid,
            inode: socket.inode,
            cgroup_id: socket.cgroup_id,
        }
    }
}

/// No tag.
const UNTAGGED: u32 = u32::MAX;

/// A stored tag as an option.
fn known(tag: u32) -> Option<u32> {
    (tag != UNTAGGED).then_some(tag)
}

/// The part of an identity that many sockets have in common, such as all those of one listener. It
/// contains the caller's tag, since sockets that share the rest mostly share that too; so a tag takes
/// no bytes of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Common {
    local: IpAddr,
    interface: u32,
    uid: u32,
    cgroup_id: Option<u64>,
    tag: u32,
}

impl Common {
    #[inline]
    fn of(socket: &Socket, tag: u32) -> Self {
        Self {
            local: socket.local.address,
            interface: socket.interface,
            uid: socket.uid,
            cgroup_id: socket.cgroup_id,
            tag,
        }
    }
}

/// An identity without its state, and a tag, in 28 bytes. The common part is an index into
/// [`CommonParts`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Compact {
    remote: [u8; 16],
    common: u32,
    inode: u32,
    local_port: u16,
    remote_port: u16,
}

/// The common parts in use. Those that no socket has any more are removed when there are twice as
/// many as after the last removal.
#[derive(Debug, Default)]
pub(super) struct CommonParts {
    parts: Vec<Common>,
    numbers: FxHashMap<Common, u32>,
    kept: usize,
}

impl CommonParts {
    /// Packs the identity of a socket, without a tag.
    pub(super) fn pack(&mut self, socket: &Socket) -> Compact {
        Compact {
            remote: octets(socket.remote.address),
            common: self.number(Common::of(socket, UNTAGGED)),
            inode: socket.inode,
            local_port: socket.local.port,
            remote_port: socket.remote.port,
        }
    }

    /// Updates `compact`, and returns its tag. A socket that no file holds any more keeps the owner
    /// it had: before Linux 6.17 `sock_i_uid()` is 0 for those.
    ///
    /// The tag stays when the owner changes. It goes when a connection is accepted, which gives it
    /// an inode, and when the socket was reused: it turned from or into a listener (`turned`), or
    /// its peer has another port. That takes a disconnect in between, or a socket that was not
    /// connected before.
    #[inline]
    pub(super) fn update(
        &mut self,
        compact: &mut Compact,
        socket: &Socket,
        turned: bool,
    ) -> Option<u32> {
        let common = self.parts.get(compact.common as usize);
        let tag = common.map_or(UNTAGGED, |common| common.tag);
        if socket.inode == 0 && compact.inode != 0 {
            return known(tag);
        }
        let accepted = compact.inode == 0 && socket.inode != 0;
        let another = turned || accepted || compact.remote_port != socket.remote.port;
        let tag = if another { UNTAGGED } else { tag };
        let same = common.is_some_and(|common| *common == Common::of(socket, tag));
        compact.inode = socket.inode;
        compact.local_port = socket.local.port;
        compact.remote_port = socket.remote.port;
        compact.remote = octets(socket.remote.address);
        if !same {
            compact.common = self.number(Common::of(socket, tag));
        }
        known(tag)
    }

    /// Tags a socket; `u32::MAX` removes the tag.
    pub(super) fn set_tag(&mut self, compact: &mut Compact, tag: u32) {
        if let Some(&common) = self.parts.get(compact.common as usize)
            && common.tag != tag
        {
            compact.common = self.number(Common { tag, ..common });
        }
    }

    /// The tag of a socket.
    pub(super) fn tag(&self, compact: &Compact) -> Option<u32> {
        known(self.parts.get(compact.common as usize)?.tag)
    }

    /// Unpacks the identity of a socket in this state.
    pub(super) fn unpack(&self, compact: &Compact, state: State) -> Identity {
        let common = self.parts.get(compact.common as usize).copied().unwrap_or(Common {
            local: Ipv4Addr::UNSPECIFIED.into(),
            interface: 0,
            uid: 0,
            cgroup_id: None,
            tag: UNTAGGED,
        });
        let [a, b, c, d, ..] = compact.remote;
        let remote = match common.local {
            IpAddr::V4(_) => Ipv4Addr::new(a, b, c, d).into(),
            IpAddr::V6(_) => Ipv6Addr::from(compact.remote).into(),
        };
        Identity {
            local: Endpoint { address: common.local, port: compact.local_port },
            remote: Endpoint { address: remote, port: compact.remote_port },
            state,
            interface: common.interface,
            uid: common.uid,
            inode: compact.inode,
            cgroup_id: common.cgroup_id,
        }
    }

    fn number(&mut self, common: Common) -> u32 {
        *self.numbers.entry(common).or_insert_with(|| {
            self.parts.push(common);
            (self.parts.len() - 1) as u32
        })
    }

    /// Whether enough parts may be unused for [`clean`](Self::clean) to pay.
    pub(super) fn wants_cleaning(&self) -> bool {
        self.parts.len() > 2 * self.kept + 64
    }

    /// Removes the parts that none of these identities uses.
    pub(super) fn clean<'a>(&mut self, used: impl Iterator<Item = &'a mut Compact>) {
        let old = std::mem::take(&mut self.parts);
        self.numbers.clear();
        for compact in used {
            if let Some(&common) = old.get(compact.common as usize) {
                compact.common = self.number(common);
            }
        }
        self.kept = self.parts.len();
    }

    /// Bytes on the heap.
    pub(super) fn allocated(&self) -> usize {
        self.parts.capacity() * size_of::<Common>()
            + self.numbers.capacity() * (size_of::<(Common, u32)>() + 1)
    }
}

#[inline]
fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V6(address) => address.octets(),
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::example::socket;

    #[test]
    fn packing_loses_nothing() {
        let mut commons = CommonParts::default();
        for (local, remote) in [("10.0.0.1", "192.0.2.7"), ("fe80::1", "fe80::2"), ("::", "::")] {
            let mut one = socket();
            one.local.address = local.parse().unwrap();
            one.remote.address = remote.parse().unwrap();
            let packed = commons.pack(&one);
            assert_eq!(commons.unpack(&packed, one.state), Identity::of(&one));
        }
        assert_eq!(size_of::<Compact>(), 28);
    }

    #[test]
    fn an_orphan_keeps_its_owner() {
        let mut commons = CommonParts::default();
        let mut packed = commons.pack(&socket());
        let orphan = Socket { inode: 0, uid: 0, state: State::LastAck, ..socket() };
        commons.set_tag(&mut packed, 7);
        assert_eq!(commons.update(&mut packed, &orphan, false), Some(7));
        assert_eq!(commons.tag(&packed), Some(7));
        let expected = Identity { state: State::LastAck, ..Identity::of(&socket()) };
        assert_eq!(commons.unpack(&packed, State::LastAck), expected);
    }

    #[test]
    fn a_tag_stays_until_the_socket_is_reused() {
        let mut commons = CommonParts::default();
        let mut packed = commons.pack(&socket());
        assert_eq!(commons.update(&mut packed, &socket(), false), None);
        assert_eq!(commons.tag(&packed), None);
        for tag in [0, 7] {
            commons.set_tag(&mut packed, tag);
            assert_eq!(commons.tag(&packed), Some(tag));
        }
        let other = packed;
        // Accepted, and given to another user.
        for uid in [0, 1000, 1001] {
            let socket = Socket { uid, inode: 9, cgroup_id: Some(uid.into()), ..socket() };
            assert_eq!(commons.update(&mut packed, &socket, false), Some(7));
            assert_eq!(commons.unpack(&packed, socket.state), Identity::of(&socket));
        }
        let elsewhere = Endpoint { port: 50_001, ..socket().remote };
        let reused = Socket { remote: elsewhere, ..socket() };
        assert_eq!(commons.update(&mut packed, &reused, false), None);
        commons.set_tag(&mut packed, 8);
        assert_eq!(commons.update(&mut packed, &reused, true), None);
        assert_eq!(commons.tag(&other), Some(7));
        commons.set_tag(&mut packed, u32::MAX);
        assert_eq!(commons.tag(&packed), None);
    }

    #[test]
    fn unused_parts_are_removed() {
        let mut commons = CommonParts::default();
        let mut last = commons.pack(&socket());
        for uid in 0..1000 {
            last = commons.pack(&Socket { uid, ..socket() });
            commons.set_tag(&mut last, uid);
        }
        assert!(commons.wants_cleaning());
        commons.clean(std::iter::once(&mut last));
        assert_eq!((commons.parts.len(), commons.unpack(&last, State::Listen).uid), (1, 999));
        assert_eq!(commons.tag(&last), Some(999));
        assert!(!commons.wants_cleaning());
    }
}
