//! Times of a recording.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::text::parse_interval;

/// A time of a recording, as a user gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Nanoseconds since 1970.
    At(u64),
    /// After the first sample.
    AfterFirst(Duration),
    /// Before the last sample.
    BeforeLast(Duration),
}

impl When {
    /// The time in nanoseconds since 1970, where `edge` is the first or the last sample's.
    pub(super) fn relative_to(self, edge: u64) -> u64 {
        let nanoseconds = |length: Duration| u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        match self {
            Self::At(time) => time,
            Self::AfterFirst(length) => edge.saturating_add(nanoseconds(length)),
            Self::BeforeLast(length) => edge.saturating_sub(nanoseconds(length)),
        }
    }
}

/// A time in nanoseconds since 1970.
pub fn timestamp(nanoseconds: u64) -> Timestamp {
    Timestamp::from_nanosecond(nanoseconds.into()).unwrap_or_default()
}

/// A time with all its digits, so that it finds the same sample again.
pub fn full_time(nanoseconds: u64) -> String {
    format!("{:.9}", timestamp(nanoseconds))
}

/// A time as a user gives it: absolute, in UTC or local time, or relative to the first or last
/// sample.
///
/// # Errors
/// What is accepted, where it is something else.
pub fn parse_time(text: &str) -> Result<When, String> {
    let local = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::system()).ok();
    let length = |text: &str| parse_interval(text).ok();
    let relative = || {
        let first = text.strip_prefix('+').and_then(length).map(When::AfterFirst);
        first.or_else(|| text.strip_prefix('-').and_then(length).map(When::BeforeLast))
    };
    let absolute = || {
        let parsed = text.parse().ok().or_else(|| local().map(|zoned| zoned.timestamp()))?;
        let nanoseconds = Timestamp::as_nanosecond(parsed).max(0);
        Some(When::At(u64::try_from(nanoseconds).unwrap_or(u64::MAX)))
    };
    relative().or_else(absolute).ok_or_else(|| {
        format!(
            "`{text}` is no time; accepted are times such as 2026-11-21T04:45:00Z, \
             2026-11-21T04:45:00+01:00, in local time 2026-11-21T04:45, and +30s after the first \
             sample or -5m before the last"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let night = 1_795_236_300_000_000_000;
        for (text, wanted) in [
            ("2026-11-21T04:45:00Z", When::At(night)),
            ("2026-11-21T05:45:00+01:00", When::At(night)),
            ("2026-11-21T04:45:00.5Z", When::At(night + 500_000_000)),
            ("+30s", When::AfterFirst(Duration::from_secs(30))),
            ("-5m", When::BeforeLast(Duration::from_secs(300))),
        ] {
            assert_eq!(parse_time(text), Ok(wanted), "{text}");
        }
        assert!(parse_time("2026-11-21T04:45").is_ok());
        for text in ["", "yesterday", "04:45", "+", "-", "+-5m", "12"] {
            assert!(parse_time(text).unwrap_err().contains("accepted are"), "{text}");
        }
    }
}
