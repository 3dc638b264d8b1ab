//! Walking netlink attributes as views.
//!
//! Not that of netlink-packet-core: its iterator takes about twice the time per socket (70 to 93 ns
//! against 34 to 65 ns over real replies of eleven attributes), and every poll runs this loop.

use super::uapi::{NLA_HDRLEN, NLA_TYPE_MASK};

/// One attribute.
#[derive(Debug, Clone, Copy)]
pub struct Attribute<'a> {
    /// `nla_type` without its flags.
    pub kind: u16,
    /// The payload, without padding.
    pub value: &'a [u8],
}

/// The bytes from here on cannot be read as attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenAttribute;

/// Iterates over attributes. A broken one ends the iteration after one error, since nothing behind it
/// can be found.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// Reads `bytes`, the part of a message that follows its fixed header.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, BrokenAttribute>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let read = || {
            // One load for length and type.
            let header = u32::from_ne_bytes(*self.rest.first_chunk::<NLA_HDRLEN>()?);
            let (length, kind) = if cfg!(target_endian = "big") {
                (header >> 16, header as u16)
            } else {
                (header & 0xffff, (header >> 16) as u16)
            };
            let (length, kind) = (length as usize, kind & NLA_TYPE_MASK);
            let value = self.rest.get(NLA_HDRLEN..length)?;
            Some((Attribute { kind, value }, length))
        };
        let Some((attribute, length)) = read() else {
            self.rest = &[];
            return Some(Err(BrokenAttribute));
        };
        self.rest = self.rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some(Ok(attribute))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_padded_and_nested_attributes() {
        let mut bytes = vec![5, 0, 8, 0, 0xff, 0, 0, 0];
        bytes.extend([8, 0, 0x13, 0x80, 1, 2, 3, 4]);
        let all: Vec<_> = Attributes::new(&bytes).map(Result::unwrap).collect();
        assert_eq!((all[0].kind, all[0].value), (8, &[0xffu8][..]));
        assert_eq!((all[1].kind, all[1].value), (19, &[1u8, 2, 3, 4][..]));
    }

    #[test]
    fn broken_ones_end_the_walk() {
        for bytes in [&[3u8, 0, 1, 0][..], &[9, 0, 1, 0, 0], &[4, 0, 1], &[0; 4]] {
            let all: Vec<_> = Attributes::new(bytes).collect();
            assert!(matches!(all.as_slice(), [Err(BrokenAttribute)]), "{bytes:?}");
        }
    }
}
