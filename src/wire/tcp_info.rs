//! `struct tcp_info` (include/uapi/linux/tcp.h), read by length.
//!
//! The structure has only grown, from 104 bytes (Linux 3.10) to 280 (6.18 to 7.3), and distributions
//! backport fields: a field exists if it lies within the bytes that were sent. The field catalogue
//! is in `model::fields`.

use super::bytes::{array_at, u8_at, u16_at, u32_at, u64_at};

/// Bytes that are kept, with space for fields of future kernels. See [`TcpInfo::is_cut`].
const CAPACITY: usize = 328;

/// Offset of the word whose layout changed.
const ECN_WORD: usize = 276;

/// The layout of the four bytes at offset 276. Linux 6.18 has two u16 there, Linux 7.2 a word of bit
/// fields, and the length of the structure is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EcnWord {
    /// Not decoded: it is not known which layout the kernel has.
    #[default]
    Unknown,
    /// `u16 tcpi_accecn_fail_mode; u16 tcpi_accecn_opt_seen` (6.18).
    Halves,
    /// `ecn_mode:2, accecn_opt_seen:2, accecn_fail_mode:4, options2:24` (7.2).
    Bits,
}

impl EcnWord {
    /// The layout of a kernel release (`uname -r`). Releases between the two whose source was read
    /// are not decoded.
    pub fn of_release(release: &str) -> Self {
        let mut numbers = release.split(['.', '-', '+']).map(|part| part.parse::<u32>().ok());
        match (numbers.next().flatten(), numbers.next().flatten()) {
            (Some(6), Some(18)) => Self::Halves,
            (Some(7), Some(minor)) if minor >= 2 => Self::Bits,
            (Some(major), _) if major > 7 => Self::Bits,
            _ => Self::Unknown,
        }
    }
}

/// Position of a field in a structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// One byte.
    U8(u16),
    /// Two bytes, host order.
    U16(u16),
    /// Four bytes, host order.
    U32(u16),
    /// Eight bytes, host order.
    U64(u16),
    /// Bits of one byte: offset, position of the lowest on a little-endian
    /// host, how many.
    Bits(u16, u8, u8),
    /// Part of the word that [`EcnWord`] is about: offset of the u16 where
    /// 6.18 has it, and the bits of 7.2: position of the lowest, how many.
    Ecn(Option<u16>, u8, u8),
}

impl Slot {
    /// Offset and number of bytes.
    pub const fn range(self) -> (usize, usize) {
        match self {
            Self::U8(at) | Self::Bits(at, ..) => (at as usize, 1),
            Self::U16(at) => (at as usize, 2),
            Self::U32(at) => (at as usize, 4),
            Self::Ecn(..) => (ECN_WORD, 4),
            Self::U64(at) => (at as usize, 8),
        }
    }

    /// How many bits the value has.
    pub const fn bits(self) -> u32 {
        match self {
            Self::U8(_) => 8,
            Self::U16(_) => 16,
            Self::U32(_) => 32,
            Self::U64(_) => 64,
            Self::Bits(_, _, bits) | Self::Ecn(_, _, bits) => bits as u32,
        }
    }
}

/// A socket's `tcp_info` as the kernel sent it.
#[derive(Clone, Copy)]
pub struct TcpInfo {
    length: u16,
    sent: u16,
    ecn: EcnWord,
    bytes: [u8; CAPACITY],
}

impl TcpInfo {
    /// Takes the payload of `INET_DIAG_INFO`, of whatever length.
    #[inline]
    pub fn new(payload: &[u8], ecn: EcnWord) -> Self {
        let mut info = Self { length: 0, sent: 0, ecn, bytes: [0; CAPACITY] };
        info.fill(payload, ecn);
        info
    }

    /// Takes another payload in place.
    #[inline]
    pub fn fill(&mut self, payload: &[u8], ecn: EcnWord) {
        let length = payload.len().min(CAPACITY);
        if let (Some(to), Some(from)) = (self.bytes.get_mut(..length), payload.get(..length)) {
            to.copy_from_slice(from);
        }
        self.length = length as u16;
        self.sent = payload.len().min(usize::from(u16::MAX)) as u16;
        self.ecn = ecn;
    }

    /// Copies another one; only the bytes that were sent.
    #[inline]
    pub fn copy_from(&mut self, other: &Self) {
        self.fill(other.as_bytes(), other.ecn);
        self.sent = other.sent;
    }

    /// Whether both are equal from byte `at` on.
    #[inline]
    pub fn is_same_from(&self, at: usize, other: &Self) -> bool {
        self.as_bytes().get(at..) == other.as_bytes().get(at..)
    }

    /// Bytes that the kernel sent.
    #[inline]
    pub fn sent_length(&self) -> usize {
        self.sent.into()
    }

    /// Whether the kernel sent more than was kept.
    pub fn is_cut(&self) -> bool {
        self.sent > self.length
    }

    /// The field at `slot`, absent when the kernel's structure ends before it.
    #[inline]
    pub fn read(&self, slot: Slot) -> Option<u64> {
        let bytes = self.as_bytes();
        match slot {
            Slot::U8(at) => u8_at(bytes, at.into()).map(u64::from),
            Slot::U16(at) => u16_at(bytes, at.into()).map(u64::from),
            Slot::U32(at) => u32_at(bytes, at.into()).map(u64::from),
            Slot::U64(at) => u64_at(bytes, at.into()),
            Slot::Bits(at, lowest, count) => {
                let byte = u64::from(u8_at(bytes, at.into())?);
                // C bit fields fill a byte from the other end on big-endian hosts.
                let shift = if cfg!(target_endian = "big") { 8 - lowest - count } else { lowest };
                Some(byte >> shift & ((1 << count) - 1))
            }
            Slot::Ecn(half, lowest, count) => match self.ecn {
                EcnWord::Unknown => None,
                EcnWord::Halves => u16_at(bytes, half?.into()).map(u64::from),
                EcnWord::Bits => {
                    let word = u64::from(u32_at(bytes, ECN_WORD)?);
                    let big = cfg!(target_endian = "big");
                    let shift = if big { 32 - lowest - count } else { lowest };
                    Some(word >> shift & ((1 << count) - 1))
                }
            },
        }
    }

    /// Copies the bytes from `start` on, and zeros where the kernel's structure ends before.
    #[inline]
    pub fn copy_run<const N: usize>(&self, start: usize, to: &mut [u8; N]) {
        if let Some(run) = array_at(self.as_bytes(), start) {
            *to = run;
            return;
        }
        *to = [0; N];
        let sent = self.as_bytes().get(start..).unwrap_or(&[]);
        to.iter_mut().zip(sent).for_each(|(to, &from)| *to = from);
    }

    /// Whether [`copy_run`](Self::copy_run) would give these bytes.
    #[inline]
    pub fn has_run<const N: usize>(&self, start: usize, run: &[u8; N]) -> bool {
        if let Some(sent) = self.as_bytes().get(start..).and_then(|sent| sent.first_chunk::<N>()) {
            return sent == run;
        }
        let mut copied = [0; N];
        self.copy_run(start, &mut copied);
        copied == *run
    }

    /// The bytes that are not decoded: all behind the first `known` bytes, or from the ambiguous word
    /// on where its layout is not known.
    pub fn tail(&self, known: usize) -> &[u8] {
        let known = if self.ecn == EcnWord::Unknown { known.min(ECN_WORD) } else { known };
        self.as_bytes().get(known..).unwrap_or(&[])
    }

    #[inline]
    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&[])
    }
}

impl std::fmt::Debug for TcpInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TcpInfo").field("sent", &self.sent).finish_non_exhaustive()
    }
}

impl PartialEq for TcpInfo {
    fn eq(&self, other: &Self) -> bool {
        self.sent == other.sent && self.as_bytes() == other.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_only_what_was_sent() {
        let payload: Vec<u8> = (0..=255).collect();
        let info = TcpInfo::new(&payload[..104], EcnWord::Unknown);
        assert_eq!(
            info.read(Slot::U32(100)),
            Some(u64::from(u32::from_ne_bytes([100, 101, 102, 103])))
        );
        assert_eq!(info.read(Slot::U64(104)), None);
        assert_eq!(TcpInfo::new(&payload[..103], EcnWord::Unknown).read(Slot::U32(100)), None);
        assert_eq!(TcpInfo::new(&[], EcnWord::Unknown).read(Slot::U8(0)), None);
    }

    #[test]
    fn bytes_beyond_the_capacity_are_cut() {
        let info = TcpInfo::new(&[7; 300], EcnWord::Bits);
        assert_eq!(info.tail(280), &[7; 20]);
        assert_eq!(TcpInfo::new(&[7; 300], EcnWord::Unknown).tail(280), &[7; 24]);
        assert!(!info.is_cut());
        let info = TcpInfo::new(&[7; 1000], EcnWord::Unknown);
        assert!(info.is_cut());
        assert_eq!(info.sent_length(), 1000);
    }

    #[test]
    fn ecn_word_by_release() {
        for (release, layout) in [
            ("6.18.44-fc-v595", EcnWord::Halves),
            ("7.2.13+deb14-cloud-amd64", EcnWord::Bits),
            ("7.3.4", EcnWord::Bits),
            ("8.0-rc1", EcnWord::Bits),
            ("6.19.2", EcnWord::Unknown),
            ("7.0.1", EcnWord::Unknown),
            ("6.12.107", EcnWord::Unknown),
            ("", EcnWord::Unknown),
        ] {
            assert_eq!(EcnWord::of_release(release), layout, "{release}");
        }
    }
}
