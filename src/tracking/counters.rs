//! The counters of a socket, packed.

use crate::model::fields::{Source, tcp_info as t};
use crate::model::wrap::{self, Width};
use crate::model::{Field, Socket, State, fields};
use crate::wire::uapi::SK_MEMINFO_DROPS;
use crate::wire::{Slot, TcpInfo};

/// Every counter of a socket, in the order of the output.
pub static COUNTERS: &[&Field] = &ALL;

const ALL: [&Field; COUNT] = [
    &t::TOTAL_RETRANS,
    &t::BYTES_ACKED,
    &t::BYTES_RECEIVED,
    &t::SEGS_OUT,
    &t::SEGS_IN,
    &t::DATA_SEGS_IN,
    &t::DATA_SEGS_OUT,
    &t::BUSY_TIME,
    &t::RWND_LIMITED,
    &t::SNDBUF_LIMITED,
    &t::DELIVERED,
    &t::DELIVERED_CE,
    &t::BYTES_SENT,
    &t::BYTES_RETRANS,
    &t::DSACK_DUPS,
    &t::REORD_SEEN,
    &t::RCV_OOOPACK,
    &t::REHASH,
    &t::TOTAL_RTO,
    &t::TOTAL_RTO_RECOVERIES,
    &t::TOTAL_RTO_TIME,
    &t::RECEIVED_CE,
    &t::DELIVERED_E1_BYTES,
    &t::DELIVERED_E0_BYTES,
    &t::DELIVERED_CE_BYTES,
    &t::RECEIVED_E1_BYTES,
    &t::RECEIVED_E0_BYTES,
    &t::RECEIVED_CE_BYTES,
    &fields::DROPS,
];

/// [`COUNTERS`] has this many.
pub(super) const COUNT: usize = 29;

const BYTES_ACKED: usize = 1;
const BYTES_RECEIVED: usize = 2;
const SEGS_OUT: usize = 3;
const SEGS_IN: usize = 4;
const DELIVERED: usize = 10;
const BYTES_SENT: usize = 12;

/// `total_retrans`, `segs_out` and `segs_in`: counters of 32 bits that do not grow by half their range
/// in any interval with less than [`FAR`] bytes.
const SLOW: [usize; 3] = [0, SEGS_OUT, SEGS_IN];

/// The counters of bytes that have 64 bits, and never wrap.
const BYTES: [usize; 3] = [BYTES_ACKED, BYTES_RECEIVED, BYTES_SENT];

/// With this many bytes in an interval, a counter of 32 bits may have gone half its range or more.
const FAR: u64 = 1 << 31;

/// Counters of bytes that have 32 bits (AccECN), as bits. After [`FAR`] their growth is not known.
const SHORT_BYTES: u32 = 0b11_1111 << 22;

/// Counters that `tcp_disconnect()` (net/ipv4/tcp.c, 6.18) leaves alone:
/// `busy_time`, `rwnd_limited`, `sndbuf_limited`, the part of `rehash` that
/// timeouts caused, and `drops`.
const KEPT: [usize; 5] = [7, 8, 9, 17, 28];

/// Position of a counter in [`Counters`], and its source.
#[derive(Clone, Copy)]
struct Cell {
    at: usize,
    bits: u32,
    /// Position in `tcp_info`; `None` for `drops`.
    slot: Option<Slot>,
    /// Shortest `tcp_info` that has it.
    length: usize,
}

const LAYOUT: [Cell; COUNT] = layout();

/// Position of the first counter in `tcp_info`. Before it are clocks, which move without traffic.
const FIRST: usize = 100;

/// The ranges of `tcp_info` that hold nothing but counters, and their positions in [`Counters`]:
/// together they are its layout.
macro_rules! runs {
    ($do:ident) => {
        $do!(100..104 => 0, 120..144 => 4, 152..160 => 28, 168..228 => 36, 236..276 => 96)
    };
}

/// Bytes that all counters take.
const SIZE: usize = LAYOUT[COUNT - 1].at + 4;

const fn layout() -> [Cell; COUNT] {
    let mut cells = [Cell { at: 0, bits: 32, slot: None, length: 0 }; COUNT];
    let (mut index, mut at) = (0, 0);
    while index < COUNT {
        let (bits, slot, length) = match ALL[index].source {
            Source::TcpInfo(slot @ Slot::U16(start)) => (16, Some(slot), start as usize + 2),
            Source::TcpInfo(slot @ Slot::U32(start)) => (32, Some(slot), start as usize + 4),
            Source::TcpInfo(slot @ Slot::U64(start)) => (64, Some(slot), start as usize + 8),
            _ => (32, None, 0),
        };
        cells[index] = Cell { at, bits, slot, length };
        at += bits as usize / 8;
        index += 1;
    }
    cells
}

/// Counters by width: index among all, and position of the value.
const OF_16_BITS: [(usize, usize); 2] = of_width(16);
const OF_32_BITS: [(usize, usize); 20] = of_width(32);
const OF_64_BITS: [(usize, usize); 7] = of_width(64);

const fn of_width<const N: usize>(bits: u32) -> [(usize, usize); N] {
    let mut places = [(0, 0); N];
    let (mut index, mut found) = (0, 0);
    while index < COUNT {
        if LAYOUT[index].bits == bits {
            places[found] = (index, LAYOUT[index].at);
            found += 1;
        }
        index += 1;
    }
    // Evaluated at compile time.
    assert!(found == N, "the arrays above hold all counters of their width");
    places
}

/// By the number of words of `tcp_info` that were sent: which counters they contain, as bits.
static PRESENT: [u32; 128] = {
    let mut present = [0; 128];
    let mut words = 0;
    while words < present.len() {
        let mut index = 0;
        while index < COUNT {
            if LAYOUT[index].slot.is_some() && LAYOUT[index].length <= words * 4 {
                present[words] |= 1 << index;
            }
            index += 1;
        }
        words += 1;
    }
    present
};

/// Which counters were sent: the number of words of `tcp_info`, and whether there is `drops`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Shape(u8);

impl Shape {
    const DROPS: u8 = 0x80;

    fn new(info_length: usize, drops: bool) -> Self {
        let words = (info_length / 4).min(0x7f) as u8;
        Self(words | if drops { Self::DROPS } else { 0 })
    }

    /// Bytes of `tcp_info`.
    #[inline]
    fn info_length(self) -> usize {
        usize::from(self.0 & !Self::DROPS) * 4
    }

    fn has_drops(self) -> bool {
        self.0 & Self::DROPS != 0
    }

    /// Whether counters of `tcp_info` were sent.
    pub(super) fn has_info(self) -> bool {
        self.0 & !Self::DROPS != 0
    }

    /// Whether this has all that `older` had. (A kernel sends `tcp_info` in one length only.)
    #[inline]
    pub(super) fn covers(self, older: Self) -> bool {
        (self.has_info() || !older.has_info()) && (self.has_drops() || !older.has_drops())
    }

    /// This, and the counters of `tcp_info` that `other` has.
    pub(super) fn with_info_of(self, other: Self) -> Self {
        Self::new(other.info_length(), self.has_drops())
    }

    /// This, without `drops`.
    pub(super) fn without_drops(self) -> Self {
        Self(self.0 & !Self::DROPS)
    }

    /// The counters that were sent, as bits.
    #[inline]
    fn present(self) -> u32 {
        let of_info = PRESENT.get(usize::from(self.0 & !Self::DROPS)).copied().unwrap_or(0);
        of_info | u32::from(self.has_drops()) << (COUNT - 1)
    }

    #[inline]
    fn has(self, cell: &Cell) -> bool {
        match cell.slot {
            Some(_) => cell.length <= self.info_length(),
            None => self.has_drops(),
        }
    }
}

/// The counters of one socket: 140 bytes of the row's 700.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counters {
    bytes: [u8; SIZE],
}

impl Counters {
    pub(super) const ZERO: Self = Self { bytes: [0; SIZE] };

    /// The counters of a socket, and which of them there are. A listener has only drops: the kernel
    /// leaves zeros in the rest.
    #[inline]
    pub(super) fn of(socket: &Socket) -> (Self, Shape) {
        let mut counters = Self::ZERO;
        let info = socket.tcp_info.as_ref().filter(|_| socket.state != State::Listen);
        if let Some(info) = info {
            counters.copy(info);
        }
        let drops = fields::DROPS.integer(socket);
        if let (Some(drops), Some(to)) = (drops, counters.bytes.last_chunk_mut()) {
            *to = (drops as u32).to_ne_bytes();
        }
        let length = info.map_or(0, |info| info.sent_length());
        (counters, Shape::new(length, drops.is_some()))
    }

    /// Which counters two rows of one socket have, if none of them moved between the two. Compares
    /// without copying, since most sockets are idle between two polls.
    #[inline]
    pub(super) fn idle(before: &Socket, after: &Socket) -> Option<u32> {
        let (Some(old), Some(new)) = (&before.tcp_info, &after.tcp_info) else { return None };
        let same = new.is_same_from(FIRST, old)
            && before.skmem.map(|skmem| skmem.word(SK_MEMINFO_DROPS))
                == after.skmem.map(|skmem| skmem.word(SK_MEMINFO_DROPS));
        let connections = before.state != State::Listen && after.state != State::Listen;
        let drops = after.skmem.and_then(|skmem| skmem.word(SK_MEMINFO_DROPS)).is_some();
        (same && connections).then(|| Shape::new(new.sent_length(), drops).present())
    }

    /// Whether a connection's counters equal these. Compares without copying, since most sockets are
    /// idle between two polls.
    #[inline]
    pub(super) fn are_those_of(&self, shape: Shape, socket: &Socket) -> bool {
        let (Some(info), Some(skmem)) = (&socket.tcp_info, &socket.skmem) else { return false };
        let drops = skmem.word(SK_MEMINFO_DROPS);
        let same_shape = shape == Shape::new(info.sent_length(), drops.is_some());
        let same_drops = drops.is_none_or(|drops| {
            self.bytes.last_chunk().is_some_and(|bytes| *bytes == drops.to_ne_bytes())
        });
        same_shape && same_drops && self.is_in(info)
    }

    /// Copies the counters of `tcp_info` in five ranges. Field by field it takes ten times as long,
    /// for every socket of every poll.
    #[inline]
    fn copy(&mut self, info: &TcpInfo) {
        macro_rules! take {
            ($($from:literal..$to:literal => $at:literal),*) => {
                $(if let Some(cells) = self.bytes.get_mut($at..).and_then(|b| b.first_chunk_mut()) {
                    info.copy_run::<{ $to - $from }>($from, cells);
                })*
            };
        }
        runs!(take);
    }

    /// Whether `tcp_info` has these values.
    #[inline]
    fn is_in(&self, info: &TcpInfo) -> bool {
        macro_rules! compare {
            ($($from:literal..$to:literal => $at:literal),*) => {
                $(self.bytes.get($at..).and_then(|bytes| bytes.first_chunk()).is_some_and(
                    |cells| info.has_run::<{ $to - $from }>($from, cells),
                ))&&*
            };
        }
        runs!(compare)
    }

    /// These, with what is missing in `shape` taken from `older`.
    pub(super) fn over(mut self, shape: Shape, older: &Self, was: Shape) -> (Self, Shape) {
        for cell in LAYOUT.iter().filter(|cell| !shape.has(cell) && was.has(cell)) {
            self.put(cell, older.take(cell));
        }
        let length = if shape.has_info() { shape } else { was }.info_length();
        (self, Shape::new(length, shape.has_drops() || was.has_drops()))
    }

    /// The growth from `self` to `after` of the counters that both have: the growth, which counters
    /// it is known of (as bits), and whether there was a reset. Where a counter went back without a
    /// reset or a wrap, what it grew by is not known.
    pub(super) fn growth(
        &self,
        shape: Shape,
        after: &Self,
        now: Shape,
    ) -> ([u64; COUNT], u32, bool) {
        let present = shape.present() & now.present();
        if self.bytes == after.bytes {
            // Most sockets are idle between two polls.
            return ([0; COUNT], present, false);
        }
        let reset = self.is_reset_by(after);
        let (growth, unknown) = if reset || shape != now {
            self.growth_of_each(after, present, reset)
        } else {
            self.growth_by_width(after)
        };
        let too_far = !reset && self.is_far_from(after);
        let unknown = if too_far { unknown | SHORT_BYTES } else { unknown };
        (growth, present & !unknown, reset)
    }

    /// Whether counters of 32 bits may have gone half their range or more.
    #[inline]
    fn is_far_from(&self, after: &Self) -> bool {
        BYTES.iter().any(|&index| after.number(index).saturating_sub(self.number(index)) >= FAR)
    }

    /// The growth of all counters where both sides have the same ones and nothing was reset, and
    /// the counters that went back (as bits). Going width by width takes a third of the time.
    #[inline]
    fn growth_by_width(&self, after: &Self) -> ([u64; COUNT], u32) {
        let (mut growth, mut unknown) = ([0; COUNT], 0);
        macro_rules! width {
            ($cells:expr, $number:ty) => {
                for &(index, at) in &$cells {
                    let number = |counters: &Self| {
                        let bytes = counters.bytes.get(at..)?.first_chunk()?;
                        Some(<$number>::from_ne_bytes(*bytes))
                    };
                    if let (Some(before), Some(after), Some(growth)) =
                        (number(self), number(after), growth.get_mut(index))
                    {
                        let grown = wrap::growth(before, after);
                        *growth = grown.unwrap_or(0);
                        unknown |= u32::from(grown.is_none()) << index;
                    }
                }
            };
        }
        width!(OF_32_BITS, u32);
        width!(OF_64_BITS, u64);
        width!(OF_16_BITS, u16);
        (growth, unknown)
    }

    /// The growth of the counters that are `present`, one by one, and those that went back.
    fn growth_of_each(&self, after: &Self, present: u32, reset: bool) -> ([u64; COUNT], u32) {
        let (mut growth, mut unknown) = ([0; COUNT], 0);
        for (index, (cell, growth)) in LAYOUT.iter().zip(&mut growth).enumerate() {
            if present & 1 << index == 0 {
                continue;
            }
            let (before, after) = (self.take(cell), after.take(cell));
            let grown = match reset {
                false => Width::of_bits(cell.bits).growth(before, after),
                true if KEPT.contains(&index) => after.checked_sub(before).or(Some(after)),
                true => Some(after),
            };
            *growth = grown.unwrap_or(0);
            unknown |= u32::from(grown.is_none()) << index;
        }
        (growth, unknown)
    }

    /// Whether `tcp_disconnect()` zeroed the counters, of a socket that is used again or that is about
    /// to be destroyed. The byte counters have 64 bits and never wrap; the segment counters have 32,
    /// see [`wrap::went_back`] and [`FAR`]. Any of them may be the only one that moved: a child that was not
    /// accepted may have received two segments and sent nothing (5.10).
    #[inline]
    pub(super) fn is_reset_by(&self, after: &Self) -> bool {
        let fell = |index: &usize| after.number(*index) < self.number(*index);
        let went_back = |index: &usize| {
            wrap::went_back(self.number(*index) as u32, after.number(*index) as u32)
        };
        BYTES.iter().any(fell) || SLOW.iter().any(went_back) && !self.is_far_from(after)
    }

    /// Whether nothing was ever sent or received, or all counters were zeroed.
    pub(super) fn is_blank(&self) -> bool {
        let indices = 0..COUNT;
        indices.filter(|index| !KEPT.contains(index)).all(|index| self.number(index) == 0)
    }

    /// Whether this is the second child of one request: two ACKs of one handshake came at once, each
    /// created a child, and the child that was too late to be hashed was freed
    /// (`inet_csk_complete_hashdance()`). It has the request's SYN-ACK retransmits, as the other child
    /// does, and no segment but the SYN.
    pub(super) fn is_duplicate_child(&self) -> bool {
        let blank = |index: &usize| self.number(*index) == 0;
        let silent = [BYTES_ACKED, BYTES_RECEIVED, BYTES_SENT, SEGS_OUT, DELIVERED];
        self.number(SEGS_IN) == 1 && silent.iter().all(blank)
    }

    /// Whether the socket was ever connected: something was acknowledged or received.
    pub(super) fn was_connected(&self) -> bool {
        self.number(BYTES_ACKED) > 0 || self.number(BYTES_RECEIVED) > 0
    }

    #[inline]
    fn number(&self, index: usize) -> u64 {
        LAYOUT.get(index).map_or(0, |cell| self.take(cell))
    }

    #[inline]
    fn take(&self, cell: &Cell) -> u64 {
        let bytes = self.bytes.get(cell.at..).unwrap_or(&[]);
        let number = match cell.bits {
            16 => bytes.first_chunk().map(|&bytes| u16::from_ne_bytes(bytes).into()),
            32 => bytes.first_chunk().map(|&bytes| u32::from_ne_bytes(bytes).into()),
            _ => bytes.first_chunk().map(|&bytes| u64::from_ne_bytes(bytes)),
        };
        number.unwrap_or(0)
    }

    #[inline]
    fn put(&mut self, cell: &Cell, value: u64) {
        let bytes = self.bytes.get_mut(cell.at..).unwrap_or(&mut []);
        match cell.bits {
            16 => write(bytes, (value as u16).to_ne_bytes()),
            32 => write(bytes, (value as u32).to_ne_bytes()),
            _ => write(bytes, value.to_ne_bytes()),
        }
    }
}

#[inline]
fn write<const N: usize>(bytes: &mut [u8], value: [u8; N]) {
    if let Some(to) = bytes.first_chunk_mut() {
        *to = value;
    }
}

#[cfg(test)]
#[path = "counters_tests.rs"]
mod tests;
