//! How and when a connection ended.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::{Connection, Quality};
use crate::diagnosis::Ending;
use crate::recording::full_time;

/// How a connection ended, in a word that other programs may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The peer acknowledged its FIN.
    Closed,
    /// Either end reset it.
    Reset,
    /// What it repeated was not answered.
    Timeout,
    /// Its SYN was answered by a reset.
    Refused,
    /// The kernel does not show it.
    Unknown,
}

impl End {
    /// The word for an ending.
    pub fn of(ending: Option<Ending>) -> Self {
        match ending {
            Some(Ending::Orderly) => Self::Closed,
            Some(Ending::Refused) => Self::Refused,
            Some(Ending::Unanswered { .. } | Ending::Aborted { silent: true, .. }) => Self::Timeout,
            Some(Ending::Aborted { .. } | Ending::Dropped) => Self::Reset,
            Some(Ending::Failed) | None => Self::Unknown,
        }
    }

    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

/// How long a connection lived, in seconds. It began and ended between two polls each.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Lifetime {
    /// At least.
    pub low: f64,
    /// At most; `None` where its beginning was not seen.
    pub high: Option<f64>,
}

impl Lifetime {
    /// The middle, where the range is no wider than half of what it ends with.
    pub fn known(&self) -> Option<f64> {
        let high = self.high?;
        (high - self.low <= high / 2.0).then_some((self.low + high) / 2.0)
    }
}

/// The end of a connection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ended {
    /// The poll that found it ended, in nanoseconds since 1970.
    pub closed_at_ns: u64,
    /// The first poll that showed it; `None` where none did, or the first of all did.
    pub opened_at_ns: Option<u64>,
    /// How long it lived.
    pub lifetime: Lifetime,
    /// How it ended.
    pub end: End,
    /// The kernel zeroed its counters before it told of the end; the figures are those of the last
    /// poll.
    pub zeroed: bool,
    /// No destroy event told of the end; the figures are those of the last poll.
    pub vanished: bool,
}

impl Ended {
    /// Writes its keys into a map.
    pub(crate) fn entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("closed_at", &full_time(self.closed_at_ns))?;
        if let Some(opened_at_ns) = self.opened_at_ns {
            map.serialize_entry("opened_at", &full_time(opened_at_ns))?;
        }
        if let Some(known) = self.lifetime.known() {
            map.serialize_entry("lifetime_s", &known)?;
        }
        map.serialize_entry("lifetime_low_s", &self.lifetime.low)?;
        if let Some(high) = self.lifetime.high {
            map.serialize_entry("lifetime_high_s", &high)?;
        }
        map.serialize_entry("end", self.end.name())?;
        map.serialize_entry("zeroed", &self.zeroed)?;
        map.serialize_entry("vanished", &self.vanished)
    }
}

/// A connection that ended, as a line of its own.
#[derive(Debug, Clone, Copy)]
pub struct ClosedLine<'a>(pub &'a Connection<'a>);

impl Serialize for ClosedLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", "tcpdiag.closed/1")?;
        self.0.entries(&mut map)?;
        map.end()
    }
}

/// The last line.
#[derive(Debug, Serialize)]
pub struct ClosedEnd<'a> {
    schema: &'static str,
    /// Connections that were shown.
    pub shown: u64,
    /// See [`Quality`].
    pub quality: &'a Quality,
}

impl<'a> ClosedEnd<'a> {
    /// After so many connections.
    pub fn new(shown: u64, quality: &'a Quality) -> Self {
        Self { schema: "tcpdiag.closed.end/1", shown, quality }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_range_is_no_figure() {
        for (low, high, known) in [
            (0.0, Some(1.0), None),
            (0.5, Some(1.0), Some(0.75)),
            (9.0, Some(11.0), Some(10.0)),
            (9.0, None, None),
        ] {
            assert_eq!(Lifetime { low, high }.known(), known, "{low} {high:?}");
        }
    }

    #[test]
    fn every_ending_has_a_word() {
        let aborted = |silent| Ending::Aborted { lost: false, unread: false, silent };
        for (ending, word) in [
            (Some(Ending::Orderly), "closed"),
            (Some(aborted(false)), "reset"),
            (Some(aborted(true)), "timeout"),
            (Some(Ending::Dropped), "reset"),
            (Some(Ending::Refused), "refused"),
            (Some(Ending::Unanswered { repeated: true }), "timeout"),
            (Some(Ending::Failed), "unknown"),
            (None, "unknown"),
        ] {
            assert_eq!(End::of(ending).name(), word);
        }
    }
}
