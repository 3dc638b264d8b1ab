//! Splitting one received datagram into netlink messages.

use super::bytes::{u16_at, u32_at};
use super::uapi::NLMSG_HDRLEN;

/// One netlink message: its header's fields and a view of its payload.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// `nlmsg_type`.
    pub kind: u16,
    /// `nlmsg_flags`.
    pub flags: u16,
    /// `nlmsg_seq`, the number of the request that this answers.
    pub sequence: u32,
    /// `nlmsg_pid`, the port id of the addressee.
    pub port: u32,
    /// What follows the header, without padding.
    pub payload: &'a [u8],
}

/// What is left of a datagram whose framing is broken: `nlmsg_len` shorter
/// than the header or longer than the datagram. Nothing after it can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenFraming {
    /// Bytes that could not be read.
    pub bytes_lost: usize,
}

/// The messages of one datagram, in order. A broken frame ends the iteration
/// after one error.
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// Iterates over `datagram`, which must be cut to the length received.
    pub fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }

    /// The same messages, each with its bytes: header and payload without padding, or all the rest
    /// where the framing is broken.
    pub fn framed(
        mut self,
    ) -> impl Iterator<Item = (Result<Message<'a>, BrokenFraming>, &'a [u8])> {
        std::iter::from_fn(move || {
            let before = self.rest;
            let message = self.next()?;
            let end = message.map_or(before.len(), |message| NLMSG_HDRLEN + message.payload.len());
            Some((message, before.get(..end).unwrap_or(before)))
        })
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, BrokenFraming>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((message, length)) = frame(self.rest) else {
            let bytes_lost = self.rest.len();
            self.rest = &[];
            return Some(Err(BrokenFraming { bytes_lost }));
        };
        // NLMSG_ALIGN: the next header starts at a multiple of four. The last
        // message of a datagram need not be padded.
        let step = length.next_multiple_of(4);
        self.rest = self.rest.get(step..).unwrap_or(&[]);
        Some(Ok(message))
    }
}

/// The first message and its `nlmsg_len`. Without netlink-packet-core here, in `Attributes` and in
/// `Reply`, walking a record takes half the time (52 instead of 111 ns, `benches/decode.rs`).
#[inline]
fn frame(bytes: &[u8]) -> Option<(Message<'_>, usize)> {
    let length = u32_at(bytes, 0)? as usize;
    let message = Message {
        kind: u16_at(bytes, 4)?,
        flags: u16_at(bytes, 6)?,
        sequence: u32_at(bytes, 8)?,
        port: u32_at(bytes, 12)?,
        payload: bytes.get(NLMSG_HDRLEN..length)?,
    };
    Some((message, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(((16 + payload.len()) as u32).to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(2u16.to_ne_bytes());
        bytes.extend(7u32.to_ne_bytes());
        bytes.extend(9u32.to_ne_bytes());
        bytes.extend(payload);
        while !bytes.len().is_multiple_of(4) {
            bytes.push(0);
        }
        bytes
    }

    #[test]
    fn splits_padded_messages() {
        let mut datagram = frame(20, &[1, 2, 3]);
        datagram.extend(frame(3, &[0; 4]));
        let messages: Vec<_> = Messages::new(&datagram).map(Result::unwrap).collect();
        assert_eq!(messages.len(), 2);
        assert_eq!((messages[0].kind, messages[0].payload), (20, &[1u8, 2, 3][..]));
        assert_eq!((messages[1].kind, messages[1].sequence, messages[1].port), (3, 7, 9));
    }

    #[test]
    fn frames_are_whole_messages() {
        let mut datagram = frame(20, &[1, 2, 3]);
        datagram.extend(frame(3, &[0; 4]));
        datagram.extend([0; 7]);
        let framed: Vec<_> = Messages::new(&datagram).framed().collect();
        let bytes: Vec<&[u8]> = framed.iter().map(|(_, bytes)| *bytes).collect();
        assert_eq!(bytes, [&datagram[..19], &datagram[20..40], &[0; 7]]);
        assert!(framed[0].0.is_ok() && framed[1].0.is_ok() && framed[2].0.is_err());
    }

    #[test]
    fn broken_length_ends_with_one_error() {
        for length in [0u32, 3, 15, 21, u32::MAX] {
            let mut datagram = frame(20, &[0; 4]);
            datagram[..4].copy_from_slice(&length.to_ne_bytes());
            let results: Vec<_> = Messages::new(&datagram).collect();
            assert_eq!(results.len(), 1, "length {length}");
            assert_eq!(results[0].as_ref().err(), Some(&BrokenFraming { bytes_lost: 20 }));
        }
    }
}
