//! Captures in the older format of tcpdump, read as if they were pcapng.

use super::block::{Draft, INTERFACE, ORDER_MAGIC, PACKET, SECTION};
use super::error::Damage;
use super::interface::{NANOSECONDS, RESOLUTION};
use super::order::Order;

/// Magic number of files whose times are in microseconds.
const MICROSECONDS: u32 = 0xa1b2_c3d4;
/// Magic number of files whose times are in nanoseconds.
const FINE: u32 = 0xa1b2_3c4d;

/// Length of the file's header.
pub(super) const FILE_HEADER: usize = 24;
/// Length of each packet's header.
pub(super) const PACKET_HEADER: usize = 16;

/// The longest packet that is accepted.
const LARGEST: u32 = 1 << 20;

/// Which of the blocks before the packets were returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Returned {
    Nothing,
    Section,
    Interface,
}

/// A file in this format.
#[derive(Debug)]
pub(super) struct Classic {
    order: Order,
    fine: bool,
    link: u16,
    returned: Returned,
}

impl Classic {
    /// Whether a file with these first bytes is one.
    pub(super) fn is_one(head: &[u8]) -> bool {
        order(head).is_some()
    }

    /// Reads the file's header.
    pub(super) fn new(header: &[u8]) -> Option<Self> {
        let (order, fine) = order(header)?;
        // The upper bits are about checksums.
        let link = order.u32(header, 20)? as u16;
        Some(Self { order, fine, link, returned: Returned::Nothing })
    }

    /// Whether its machine had the byte order of this one.
    pub(super) fn is_native(&self) -> bool {
        self.order.is_native()
    }

    /// The next of the blocks that a pcapng file begins with; `None` when packets follow.
    pub(super) fn preamble(&mut self) -> Option<Vec<u8>> {
        let mut draft = Draft::default();
        match self.returned {
            Returned::Nothing => {
                self.returned = Returned::Section;
                draft.begin(SECTION).u32(ORDER_MAGIC).u16(1).u16(0).u32(u32::MAX).u32(u32::MAX);
            }
            Returned::Section => {
                self.returned = Returned::Interface;
                draft.begin(INTERFACE).u16(self.link).u16(0).u32(0);
                if self.fine {
                    draft.option(RESOLUTION, &[NANOSECONDS]).end_options();
                }
            }
            Returned::Interface => return None,
        }
        draft.end().map(<[u8]>::to_vec)
    }

    /// How many bytes the packet with this header has.
    pub(super) fn length(&self, header: &[u8]) -> Result<usize, Damage> {
        let length = self.order.u32(header, 8).ok_or(Damage::Cut)?;
        if length > LARGEST { Err(Damage::Packet(length)) } else { Ok(length as usize) }
    }

    /// A packet, header and bytes, as a block.
    pub(super) fn packet(&self, packet: &[u8]) -> Option<Vec<u8>> {
        let (header, bytes) = packet.split_at_checked(PACKET_HEADER)?;
        let [seconds, fraction] = [self.order.u32(header, 0)?, self.order.u32(header, 4)?];
        let unit = if self.fine { 1_000_000_000 } else { 1_000_000 };
        let time = u64::from(seconds) * unit + u64::from(fraction);
        let mut draft = Draft::default();
        draft.begin(PACKET).u32(0).u32((time >> 32) as u32).u32(time as u32);
        draft.u32(bytes.len() as u32).u32(self.order.u32(header, 12)?).bytes(bytes);
        draft.end().map(<[u8]>::to_vec)
    }
}

fn order(head: &[u8]) -> Option<(Order, bool)> {
    let magic: [u8; 4] = head.get(..4)?.try_into().ok()?;
    let of = |number: u32| Order::of_magic(magic, number);
    of(MICROSECONDS).map(|order| (order, false)).or(of(FINE).map(|order| (order, true)))
}
