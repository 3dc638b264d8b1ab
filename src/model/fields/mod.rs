//! The field catalogue: every number that the kernel sends for a socket, and a few that are computed
//! from them. Decoding, deltas, filter names, columns, JSON keys and help are made from it.

mod derived;
mod headers;
mod presence;
mod skmem;
mod socket;
pub mod tcp_info;

use super::{Socket, State};
use crate::wire::{Slot, TcpInfo};

pub(crate) use presence::Presence;

pub use derived::{
    BYTES_RETRANS_RATIO, DERIVED, RETRANS_RATIO, RWND_LIMITED_SHARE, SEND_RATE,
    SNDBUF_LIMITED_SHARE, retransmitted_segments,
};
pub use headers::{find, interval_header, is_of_interval, plain_name};
pub use skmem::{DROPS, SKMEM};
pub use socket::{
    ACCEPT_QUEUE, ACCEPT_QUEUE_MAX, CLASS_ID, INODE, LPORT, MARK, RECV_Q, RPORT, SEND_Q, SOCKET,
    TCLASS, TOS, UID,
};

/// Which part of a socket a field belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// The record itself.
    Socket,
    /// `struct tcp_info`.
    TcpInfo,
    /// The socket's memory.
    Skmem,
    /// Computed from other fields.
    Derived,
}

/// How a field behaves over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows over a connection's life, and wraps at the end of its range.
    Counter,
    /// Grows over a connection's life, but the kernel may also set it back. Its growth is known
    /// where it rose; after a step back it is not.
    Total,
    /// Goes up and down.
    Gauge,
    /// Time since something happened.
    Clock,
    /// An enumeration or a set of bits.
    Code,
}

impl Kind {
    /// Whether differences between two readings are growth.
    pub fn grows(self) -> bool {
        matches!(self, Self::Counter | Self::Total)
    }

    /// The name used in JSON and in explanations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Total => "total",
            Self::Gauge => "gauge",
            Self::Clock => "clock",
            Self::Code => "code",
        }
    }
}

/// The unit of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Microseconds.
    Microseconds,
    /// Milliseconds.
    Milliseconds,
    /// Bytes.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
    /// TCP segments.
    Segments,
    /// Connections.
    Connections,
    /// Events.
    Events,
    /// A share, 0 to 1.
    Ratio,
    /// No unit.
    None,
}

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reading {
    /// This kernel, state or privilege does not provide it.
    Absent,
    /// There is none: an infinite threshold, an unlimited rate, a time that was not measured yet.
    Unset,
    /// An integer in the field's unit.
    Integer(u64),
    /// A share.
    Ratio(f64),
}

impl Reading {
    /// The value as a number, for sorting and comparing.
    pub fn as_f64(self) -> Option<f64> {
        match self {
            Self::Absent | Self::Unset => None,
            Self::Integer(value) => Some(value as f64),
            Self::Ratio(value) => Some(value),
        }
    }
}

/// The source of a field's value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source {
    /// A field of `struct tcp_info`.
    TcpInfo(Slot),
    /// A word of `INET_DIAG_SKMEMINFO`.
    Skmem(u8),
    /// Another part of the row.
    Row(fn(&Socket) -> Reading),
}

/// One field.
#[derive(Debug)]
pub struct Field {
    /// The kernel's own name without `tcpi_`, as filters and columns take it.
    pub name: &'static str,
    /// The JSON key: the name, with a suffix for times.
    pub key: &'static str,
    /// Which part of a socket it belongs to.
    pub group: Group,
    /// How it behaves over time.
    pub kind: Kind,
    /// Its unit.
    pub unit: Unit,
    /// The first mainline release that has it.
    pub since: &'static str,
    /// What it means, in a sentence.
    pub meaning: &'static str,
    /// What the kernel computes it from, and the functions that write that.
    pub writer: &'static str,
    /// The kernel's value for "none".
    pub(crate) unset: Option<u64>,
    /// Which sockets have it.
    pub(crate) presence: Presence,
    pub(crate) source: Source,
}

impl Field {
    /// The field's value for a socket.
    #[inline]
    pub fn read(&self, socket: &Socket) -> Reading {
        match self.source {
            Source::TcpInfo(_) => match &socket.tcp_info {
                Some(info) => self.read_info(info, socket.state),
                None => Reading::Absent,
            },
            Source::Skmem(word) => {
                let word = socket.skmem.as_ref().and_then(|skmem| skmem.word(word));
                // Signed in the kernel; what was reserved may be below 0 for a moment
                // (`sk_forward_alloc`).
                let word = word.filter(|&word| self.kind.grows() || word <= i32::MAX as u32);
                word.map_or(Reading::Absent, |word| Reading::Integer(word.into()))
            }
            Source::Row(read) => read(socket),
        }
    }

    /// The value of a field of `struct tcp_info`, of a socket in this state.
    #[inline]
    pub fn read_info(&self, info: &TcpInfo, state: State) -> Reading {
        let Some(value) = self.slot().and_then(|slot| info.read(slot)) else {
            return Reading::Absent;
        };
        // Most fields are those of any connection.
        let is_plain = self.presence == Presence::Connection && state != State::Listen;
        if !is_plain && let Some(lack) = self.presence.lack(info, state) {
            return lack;
        }
        if Some(value) == self.unset { Reading::Unset } else { Reading::Integer(value) }
    }

    /// Whether listeners may have it, of the fields of `struct tcp_info`.
    pub(crate) fn is_of_listeners(&self) -> bool {
        self.presence == Presence::Everywhere
    }

    /// The value of a field of `struct tcp_info`, if there is one.
    #[inline]
    pub fn integer_of(&self, info: &TcpInfo, state: State) -> Option<u64> {
        match self.read_info(info, state) {
            Reading::Integer(value) => Some(value),
            _ => None,
        }
    }

    /// The value, if it is an integer.
    #[inline]
    pub fn integer(&self, socket: &Socket) -> Option<u64> {
        match self.read(socket) {
            Reading::Integer(value) => Some(value),
            _ => None,
        }
    }

    /// Position in `struct tcp_info`.
    pub const fn slot(&self) -> Option<Slot> {
        match self.source {
            Source::TcpInfo(slot) => Some(slot),
            _ => None,
        }
    }
}

/// Every field, in the order of the output.
pub fn all() -> impl Iterator<Item = &'static Field> {
    [SOCKET, tcp_info::ALL, SKMEM, DERIVED].into_iter().flatten().copied()
}

/// One line of the catalogue.
macro_rules! fields {
    ($($ident:ident $name:literal $key:literal $group:ident $kind:ident $unit:ident $since:literal
        $source:expr, $(given($presence:ident))? $(unset($unset:expr))? from $writer:literal
        => $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub static $ident: crate::model::fields::Field = crate::model::fields::Field {
                name: $name,
                key: $key,
                group: crate::model::fields::Group::$group,
                kind: crate::model::fields::Kind::$kind,
                unit: crate::model::fields::Unit::$unit,
                since: $since,
                meaning: $meaning,
                writer: $writer,
                unset: fields!(@unset $($unset)?),
                presence: fields!(@presence $($presence)?),
                source: $source,
            };
        )*
    };
    (@unset) => { None };
    (@unset $unset:expr) => { Some($unset) };
    (@presence) => { crate::model::fields::Presence::Connection };
    (@presence $presence:ident) => { crate::model::fields::Presence::$presence };
}
use fields;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_keys_are_unique_and_explained() {
        let mut seen = std::collections::HashSet::new();
        for field in all() {
            assert!(seen.insert(field.name), "name {}", field.name);
            assert!(field.key == field.name || seen.insert(field.key), "key {}", field.key);
            assert!(field.meaning.len() > 15 && field.meaning.ends_with('.'), "{}", field.name);
            let named = field.writer.contains("()") || field.writer.starts_with("nothing");
            assert!(named || field.group == Group::Derived, "{}: {}", field.name, field.writer);
            let suffix = match field.unit {
                Unit::Microseconds => "_us",
                Unit::Milliseconds => "_ms",
                _ => "",
            };
            assert!(field.key.ends_with(suffix), "{}", field.key);
        }
    }

    #[test]
    fn tcp_info_is_covered_without_holes() {
        // Every byte up to 280 belongs to a field.
        let mut covered = [false; tcp_info::KNOWN_LENGTH];
        for field in tcp_info::ALL {
            let (at, length) = field.slot().unwrap().range();
            covered[at..at + length].fill(true);
        }
        let holes: Vec<usize> = (0..covered.len()).filter(|&at| !covered[at]).collect();
        assert!(holes.is_empty(), "bytes without a field: {holes:?}");
    }
}
