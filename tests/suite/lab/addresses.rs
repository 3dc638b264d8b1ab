//! Where the two ends of a scenario live: in a network that no other process
//! on this host uses, because the kernel's trace shows all of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU16, Ordering};

/// An end of the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Who connects.
    Client,
    /// Who listens.
    Server,
}

impl Side {
    /// Both, in the order of arrays by side.
    pub const BOTH: [Self; 2] = [Self::Client, Self::Server];

    /// The place in such an array.
    pub fn index(self) -> usize {
        match self {
            Self::Client => 0,
            Self::Server => 1,
        }
    }
}

/// The addresses of one pair of ends.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// By pid: as unique as pids are among 16,384 neighbours.
    pid: u16,
    /// Which pair of this process.
    pair: u8,
}

impl Addresses {
    /// Those of the next pair. There are 64, which then come again.
    pub fn next() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let pair = NEXT.fetch_add(1, Ordering::Relaxed) % 64;
        Self { pid: (std::process::id() % (1 << 14)) as u16, pair: pair as u8 }
    }

    /// The address of an end: 10.64.0.0/10 by pid, a block of four by pair.
    pub fn v4(self, side: Side) -> Ipv4Addr {
        let [high, low] = self.pid.to_be_bytes();
        Ipv4Addr::new(10, 64 + high, low, self.pair * 4 + 1 + side.index() as u8)
    }

    /// The address of an end in IPv6.
    pub fn v6(self, side: Side) -> Ipv6Addr {
        let last = 1 + side.index() as u16;
        Ipv6Addr::new(0xfd74, 0x6370, 0x6469, self.pid, u16::from(self.pair), 0, 0, last)
    }

    /// Either.
    pub fn of(self, side: Side, v6: bool) -> IpAddr {
        if v6 { self.v6(side).into() } else { self.v4(side).into() }
    }

    /// Whose address this is, if anybody's here.
    pub fn side(self, address: IpAddr) -> Option<Side> {
        let address = address.to_canonical();
        Side::BOTH.into_iter().find(|side| address == self.v4(*side) || address == self.v6(*side))
    }
}
