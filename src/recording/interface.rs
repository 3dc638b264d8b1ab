//! An interface that a recording declares.

use super::block::Block;

/// `LINKTYPE_NETLINK`.
pub(super) const NETLINK: u16 = 253;
/// `LINKTYPE_USER0`, whose meaning each file defines for itself.
pub(super) const USER0: u16 = 147;

/// The name of the interface with the notes, which tells it from other uses of the type.
pub(super) const NOTES: &[u8] = b"tcpdiag";

/// `if_name`.
pub(super) const NAME: u16 = 2;
/// `if_description`.
pub(super) const DESCRIPTION: u16 = 3;
/// `if_tsresol`.
pub(super) const RESOLUTION: u16 = 9;

/// `if_tsresol` of nanoseconds.
pub(super) const NANOSECONDS: u8 = 9;
/// The default of `if_tsresol`: microseconds.
const DEFAULT: u8 = 6;

/// Where the options of the block begin.
const OPTIONS: usize = 8;

/// What its packets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Netlink,
    Notes,
    /// Something else.
    Foreign(u16),
}

/// An interface.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interface {
    pub(super) link: Link,
    resolution: u8,
}

impl Interface {
    pub(super) fn read(block: &Block<'_>) -> Option<Self> {
        let link = match block.order.u16(block.body, 0)? {
            NETLINK => Link::Netlink,
            USER0 if block.option(OPTIONS, NAME) == Some(NOTES) => Link::Notes,
            other => Link::Foreign(other),
        };
        let resolution = block.option(OPTIONS, RESOLUTION).and_then(<[u8]>::first);
        Some(Self { link, resolution: resolution.copied().unwrap_or(DEFAULT) })
    }

    /// A packet's time in nanoseconds since 1970.
    pub(super) fn nanoseconds(&self, time: u64) -> u64 {
        let exponent = u32::from(self.resolution & 0x7f);
        let base: u128 = if self.resolution & 0x80 == 0 { 10 } else { 2 };
        let unit = base.checked_pow(exponent).unwrap_or(u128::MAX);
        let nanoseconds = u128::from(time) * 1_000_000_000 / unit;
        u64::try_from(nanoseconds).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_every_resolution() {
        for (resolution, time, expected) in [
            (9, 1_700_000_000_123_456_789, 1_700_000_000_123_456_789),
            (6, 1_700_000_000_123_456, 1_700_000_000_123_456_000),
            (0, 3, 3_000_000_000),
            (12, 5_000, 5),
            (0x80 | 10, 512, 500_000_000),
            (0x7f, u64::MAX, 0),
            (0xff, u64::MAX, 0),
            (0, u64::MAX, u64::MAX),
        ] {
            let interface = Interface { link: Link::Netlink, resolution };
            assert_eq!(interface.nanoseconds(time), expected, "{resolution}");
        }
    }
}
