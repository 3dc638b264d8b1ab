//! The byte order of a section.

/// Reads numbers of a section, which may be in the other byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    swapped: bool,
}

impl Order {
    /// This machine's.
    pub(super) const NATIVE: Self = Self { swapped: false };

    /// The order in which these bytes are this magic number.
    pub(super) fn of_magic(bytes: [u8; 4], magic: u32) -> Option<Self> {
        match u32::from_ne_bytes(bytes) {
            found if found == magic => Some(Self::NATIVE),
            found if found == magic.swap_bytes() => Some(Self { swapped: true }),
            _ => None,
        }
    }

    /// Whether it is this machine's.
    pub(super) fn is_native(self) -> bool {
        !self.swapped
    }

    pub(super) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let number = u16::from_ne_bytes(array(bytes, at)?);
        Some(if self.swapped { number.swap_bytes() } else { number })
    }

    pub(super) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let number = u32::from_ne_bytes(array(bytes, at)?);
        Some(if self.swapped { number.swap_bytes() } else { number })
    }

    pub(super) fn u64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let number = u64::from_ne_bytes(array(bytes, at)?);
        Some(if self.swapped { number.swap_bytes() } else { number })
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}
