//! The blocks that a pcapng file consists of: framing and options.

use std::io::{self, Read};

use super::classic::{Classic, FILE_HEADER, PACKET_HEADER};
use super::compression::{Stream, WINDOW, is_window};
use super::error::{Damage, ReadError};
use super::order::Order;

/// Section Header Block; reads the same in both byte orders.
pub(super) const SECTION: u32 = 0x0a0d_0d0a;
/// Interface Description Block.
pub(super) const INTERFACE: u32 = 1;
/// Enhanced Packet Block.
pub(super) const PACKET: u32 = 6;

/// Byte order magic of a section.
pub(super) const ORDER_MAGIC: u32 = 0x1a2b_3c4d;

/// The longest block. Datagrams have 32 KiB at most, and longer notes are divided.
pub(super) const LARGEST: usize = 8 << 20;

/// Type and length before the body, and the length after it.
const FRAME: usize = 12;

/// A block being composed, in a buffer that is reused.
#[derive(Debug, Default)]
pub(super) struct Draft(Vec<u8>);

impl Draft {
    /// Begins a block.
    pub(super) fn begin(&mut self, kind: u32) -> &mut Self {
        self.0.clear();
        self.u32(kind).u32(0)
    }

    pub(super) fn u16(&mut self, number: u16) -> &mut Self {
        self.bytes(&number.to_ne_bytes())
    }

    pub(super) fn u32(&mut self, number: u32) -> &mut Self {
        self.bytes(&number.to_ne_bytes())
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Fills up to a multiple of four.
    pub(super) fn pad(&mut self) -> &mut Self {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    /// An option; text that is too long for one is cut.
    pub(super) fn option(&mut self, code: u16, value: &[u8]) -> &mut Self {
        let length = value.len().min(usize::from(u16::MAX));
        self.u16(code).u16(length as u16).bytes(value.get(..length).unwrap_or_default()).pad()
    }

    /// Ends a list of options.
    pub(super) fn end_options(&mut self) -> &mut Self {
        self.u32(0)
    }

    /// Ends the block with `length` bytes that are kept elsewhere, followed by `tail`; returns what
    /// comes before and after those bytes, or `None` if the block is too long to be read back.
    pub(super) fn around(&mut self, length: usize, tail: &Self) -> Option<(&[u8], &[u8])> {
        let head = self.0.len();
        let padding = length.next_multiple_of(4) - length;
        self.0.resize(head + padding, 0);
        self.bytes(&tail.0);
        let whole = self.0.len() + length + 4;
        if whole > LARGEST {
            return None;
        }
        let whole = (whole as u32).to_ne_bytes();
        self.bytes(&whole);
        self.0.get_mut(4..8)?.copy_from_slice(&whole);
        self.0.split_at_checked(head)
    }

    /// Ends the block; returns all of it, or `None` if it is too long to be read back.
    pub(super) fn end(&mut self) -> Option<&[u8]> {
        self.pad();
        let length = self.0.len() + 4;
        if length > LARGEST {
            return None;
        }
        let length = (length as u32).to_ne_bytes();
        self.bytes(&length);
        self.0.get_mut(4..8)?.copy_from_slice(&length);
        Some(&self.0)
    }
}

/// A block that was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block<'a> {
    pub(super) kind: u32,
    /// The bytes between the lengths.
    pub(super) body: &'a [u8],
    pub(super) order: Order,
}

impl<'a> Block<'a> {
    /// The value of this option; the options begin at `from`.
    pub(super) fn option(&self, from: usize, wanted: u16) -> Option<&'a [u8]> {
        let mut rest = self.body.get(from..)?;
        loop {
            let code = self.order.u16(rest, 0)?;
            let length = usize::from(self.order.u16(rest, 2)?);
            let value = rest.get(4..4 + length)?;
            match code {
                0 => return None,
                code if code == wanted => return Some(value),
                _ => rest = rest.get(4 + length.next_multiple_of(4)..)?,
            }
        }
    }
}

/// The blocks of a file, one after the other.
pub(super) struct Blocks<R: Read> {
    stream: Stream<R>,
    /// The block that was read last, all of it.
    buffer: Vec<u8>,
    /// Where it begins.
    start: u64,
    /// Where the next one begins.
    next: u64,
    order: Option<Order>,
    /// A file in the older format, which is read as if it were pcapng.
    classic: Option<Classic>,
}

impl<R: Read> Blocks<R> {
    pub(super) fn new(stream: Stream<R>) -> Self {
        Self { stream, buffer: Vec::new(), start: 0, next: 0, order: None, classic: None }
    }

    /// Where the last block begins.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// Whether its machine had the byte order of this one.
    pub(super) fn is_native(&self) -> bool {
        let section = self.order.is_none_or(Order::is_native);
        section && self.classic.as_ref().is_none_or(Classic::is_native)
    }

    /// What was read last, damaged or not.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// The error for damage of the last block.
    pub(super) fn damaged(&self, why: Damage) -> ReadError {
        let compressed = self.stream.is_compressed();
        ReadError::EndsEarly { at: self.start, compressed, why }
    }

    /// Reads the next block; `false` at the end of the file.
    pub(super) fn advance(&mut self) -> Result<bool, ReadError> {
        self.start = self.next;
        self.buffer.clear();
        let read = if self.classic.is_some() { self.read_classic() } else { self.read() };
        match read {
            Ok(length) => {
                self.next += length.unwrap_or(0) as u64;
                Ok(length.is_some())
            }
            Err(why) => Err(self.damaged(why)),
        }
    }

    /// The last block, if it was read well.
    pub(super) fn block(&self) -> Option<Block<'_>> {
        let order = self.order?;
        let end = self.buffer.len().checked_sub(4)?;
        Some(Block { kind: order.u32(&self.buffer, 0)?, body: self.buffer.get(8..end)?, order })
    }

    /// Reads a packet of a file in the older format; returns its length in the file.
    fn read_classic(&mut self) -> Result<Option<usize>, Damage> {
        let Some(classic) = &mut self.classic else { return Ok(None) };
        if let Some(block) = classic.preamble() {
            self.buffer = block;
            return Ok(Some(0));
        }
        self.fill(PACKET_HEADER)?;
        if self.buffer.is_empty() {
            return Ok(None);
        }
        if self.buffer.len() < PACKET_HEADER {
            return Err(Damage::Cut);
        }
        let length = self.classic.as_ref().map_or(Ok(0), |it| it.length(&self.buffer))?;
        let length = PACKET_HEADER + length;
        self.fill(length)?;
        if self.buffer.len() < length {
            return Err(Damage::Cut);
        }
        let block = self.classic.as_ref().and_then(|it| it.packet(&self.buffer));
        self.buffer = block.ok_or(Damage::Cut)?;
        Ok(Some(length))
    }

    /// Reads a block; returns its length.
    fn read(&mut self) -> Result<Option<usize>, Damage> {
        self.fill(FRAME)?;
        if self.buffer.is_empty() {
            return Ok(None);
        }
        if self.order.is_none() && Classic::is_one(&self.buffer) {
            self.fill(FILE_HEADER)?;
            self.classic = Some(Classic::new(&self.buffer).ok_or(Damage::Cut)?);
            self.order = Some(Order::NATIVE);
            self.read_classic()?;
            return Ok(Some(FILE_HEADER));
        }
        let whole = |number: Option<u32>| number.ok_or(Damage::Cut);
        if self.buffer.len() < FRAME {
            return Err(Damage::Cut);
        }
        let order = self.section_order()?;
        let length = whole(order.u32(&self.buffer, 4))?;
        let bytes = length as usize;
        if !(FRAME..=LARGEST).contains(&bytes) || !bytes.is_multiple_of(4) {
            return Err(Damage::Length(length));
        }
        self.fill(bytes)?;
        if self.buffer.len() < bytes {
            return Err(Damage::Cut);
        }
        let end = whole(order.u32(&self.buffer, bytes - 4))?;
        if end != length {
            return Err(Damage::Lengths { start: length, end });
        }
        self.order = Some(order);
        Ok(Some(bytes))
    }

    /// The byte order of the block whose first bytes were read.
    fn section_order(&self) -> Result<Order, Damage> {
        let word = |at: usize| self.buffer.get(at..at + 4).and_then(|word| word.try_into().ok());
        let kind: [u8; 4] = word(0).ok_or(Damage::Cut)?;
        if u32::from_ne_bytes(kind) != SECTION {
            return self.order.ok_or(Damage::NoSection(u32::from_ne_bytes(kind)));
        }
        let magic = word(8).ok_or(Damage::Cut)?;
        Order::of_magic(magic, ORDER_MAGIC).ok_or(Damage::ByteOrder)
    }

    /// Reads until the buffer has so many bytes, or the file ends. The buffer grows with what is
    /// there, not with what a damaged length claims.
    fn fill(&mut self, bytes: usize) -> Result<(), Damage> {
        let missing = bytes.saturating_sub(self.buffer.len()) as u64;
        match (&mut self.stream).take(missing).read_to_end(&mut self.buffer) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Damage::Cut),
            Err(error) if is_window(&error) => Err(Damage::Window { most: 1 << (WINDOW - 20) }),
            Err(error) => Err(Damage::Stream(error.to_string())),
        }
    }
}
