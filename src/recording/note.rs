//! A note of this program between the kernel's datagrams.

use serde::de::DeserializeOwned;

use super::Kind;
use super::order::Order;

/// Length of the header before the payload.
pub(super) const HEADER: usize = 16;

/// The only version so far.
const VERSION: u8 = 1;

/// A note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note<'a> {
    /// What kind it is.
    pub kind: Kind,
    /// Which sample it belongs to, from 0.
    pub sample: u32,
    /// The network namespace's inode; 0 for the whole host.
    pub namespace: u64,
    /// The contents, in a form that depends on the kind.
    pub payload: &'a [u8],
}

impl<'a> Note<'a> {
    /// The header before the payload, in this machine's byte order.
    pub(super) fn header(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let parts = [VERSION, 0]
            .into_iter()
            .chain((self.kind as u16).to_ne_bytes())
            .chain(self.sample.to_ne_bytes())
            .chain(self.namespace.to_ne_bytes());
        bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        bytes
    }

    /// Reads one.
    pub(super) fn read(bytes: &'a [u8], order: Order) -> Reading<'a> {
        let read = || {
            let version = *bytes.first()?;
            let kind = order.u16(bytes, 2)?;
            let sample = order.u32(bytes, 4)?;
            let namespace = order.u64(bytes, 8)?;
            let payload = bytes.get(HEADER..)?;
            Some(match Kind::of(kind).filter(|_| version == VERSION) {
                Some(kind) => Reading::Note(Self { kind, sample, namespace, payload }),
                None => Reading::Unknown,
            })
        };
        read().unwrap_or(Reading::Broken)
    }

    /// The payload as JSON.
    ///
    /// # Errors
    /// When it is not JSON of this form.
    pub fn json<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_slice(self.payload)
    }

    /// The payload as lines of JSON.
    pub fn json_lines<T: DeserializeOwned>(
        &self,
    ) -> impl Iterator<Item = serde_json::Result<T>> + 'a {
        let lines = self.payload.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line))
    }

    /// A name in the first line, and what follows it.
    pub fn named_text(&self) -> Option<(&'a str, &'a str)> {
        std::str::from_utf8(self.payload).ok()?.split_once('\n')
    }
}

/// The result of reading a note.
pub(super) enum Reading<'a> {
    Note(Note<'a>),
    /// Of a kind or version of a later program.
    Unknown,
    /// Shorter than the header.
    Broken,
}
