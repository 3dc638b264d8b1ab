//! Times of a recording.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

use crate::sys::local_time_zone;
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
    /// The last time in the recording that clocks of the user's time zone showed this; where they
    /// did not, the time next to the recording.
    TimeOfDay(Time),
}

impl When {
    /// The time in nanoseconds since 1970, where `edge` is the first or the last sample's.
    pub(super) fn relative_to(self, edge: u64) -> u64 {
        let nanoseconds = |length: Duration| u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        match self {
            Self::At(time) => time,
            Self::AfterFirst(length) => edge.saturating_add(nanoseconds(length)),
            Self::BeforeLast(length) => edge.saturating_sub(nanoseconds(length)),
            Self::TimeOfDay(time) => time_of_day_in(time, edge, edge),
        }
    }
}

/// The time of day in a recording with this first and this last sample, in nanoseconds since 1970.
pub(super) fn time_of_day_in(time: Time, first: u64, last: u64) -> u64 {
    let [first, last] = [first, last].map(timestamp);
    nearest_day(time, first, last, local_time_zone().unwrap_or(&TimeZone::UTC))
}

/// When clocks of this zone showed this time of day last between `first` and `last`, else the time
/// nearest to these.
fn nearest_day(time: Time, first: Timestamp, last: Timestamp, zone: &TimeZone) -> u64 {
    let day = zone.to_datetime(last).date();
    let days = [day.tomorrow().unwrap_or(day), day, day.yesterday().unwrap_or(day)];
    // A time that a change of the zone leaves out is taken as if there were no change.
    let times = days.map(|day| zone.to_ambiguous_timestamp(day.to_datetime(time)).compatible());
    let outside = |time: &Timestamp| {
        let [early, late] = [first.duration_since(*time), time.duration_since(last)];
        early.max(late).max(jiff::SignedDuration::ZERO)
    };
    // Of times that are equally far, the first is taken, which is the latest.
    nanoseconds(times.into_iter().flatten().min_by_key(outside).unwrap_or(last))
}

/// Nanoseconds since 1970.
fn nanoseconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_nanosecond().max(0)).unwrap_or(u64::MAX)
}

/// A time in nanoseconds since 1970.
pub fn timestamp(nanoseconds: u64) -> Timestamp {
    Timestamp::from_nanosecond(nanoseconds.into()).unwrap_or_default()
}

/// A time in UTC with all its digits, for programs.
pub fn full_time(nanoseconds: u64) -> String {
    format!("{:.9}", timestamp(nanoseconds))
}

/// A time in the user's time zone with all its digits and its offset from UTC, for people. Given
/// to [`parse_time`], it finds the same sample again. Without a time zone it is in UTC.
pub fn local_time(nanoseconds: u64) -> String {
    in_zone(timestamp(nanoseconds), local_time_zone().unwrap_or(&TimeZone::UTC))
}

/// The same for a time as documents have it.
pub fn localised(rfc_3339: &str) -> String {
    rfc_3339.parse().map_or_else(
        |_| rfc_3339.to_owned(),
        |time| in_zone(time, local_time_zone().unwrap_or(&TimeZone::UTC)),
    )
}

/// The same to the millisecond, for the heads of tables.
pub fn localised_short(rfc_3339: &str) -> String {
    let Ok(time) = rfc_3339.parse::<Timestamp>() else { return rfc_3339.to_owned() };
    match local_time_zone().unwrap_or(&TimeZone::UTC).to_offset(time) {
        Offset::UTC => format!("{time:.3}"),
        offset => format!("{:.3}", time.display_with_offset(offset)),
    }
}

fn in_zone(time: Timestamp, zone: &TimeZone) -> String {
    match zone.to_offset(time) {
        Offset::UTC => format!("{time:.9}"),
        offset => format!("{:.9}", time.display_with_offset(offset)),
    }
}

/// A time as a user gives it: absolute, with an offset from UTC or in local time, or relative to
/// the first or last sample.
///
/// # Errors
/// What is accepted, where it is something else, and what local time there is, where it does not
/// exist or exists twice.
pub fn parse_time(text: &str) -> Result<When, String> {
    parse_in(text, local_time_zone)
}

/// The same in any zone, which is only looked up for local times.
fn parse_in<E: ToString>(
    text: &str,
    zone: impl FnOnce() -> Result<&'static TimeZone, E>,
) -> Result<When, String> {
    let length = |text: &str| parse_interval(text).ok();
    if let Some(length) = text.strip_prefix('+').and_then(length) {
        return Ok(When::AfterFirst(length));
    }
    if let Some(length) = text.strip_prefix('-').and_then(length) {
        return Ok(When::BeforeLast(length));
    }
    if let Some(time) = time_of_day(text) {
        return Ok(When::TimeOfDay(time));
    }
    if let Some((day, time)) = text.split_once(' ')
        && let (Some(back), Some(time)) = (days_back(day), time_of_day(time.trim()))
    {
        let zone = zone().map_err(|error| error.to_string())?;
        let mut date = zone.to_datetime(Timestamp::now()).date();
        for _ in 0..back {
            date = date.yesterday().map_err(|error| format!("`{text}`: {error}"))?;
        }
        return unambiguous(text, date.to_datetime(time), zone).map(|at| When::At(nanoseconds(at)));
    }
    let time = match (text.parse::<Timestamp>(), text.parse::<DateTime>()) {
        (Ok(time), _) => time,
        (Err(_), Ok(civil)) => {
            unambiguous(text, civil, zone().map_err(|error| error.to_string())?)?
        }
        (Err(_), Err(_)) => {
            return Err(format!(
                "`{text}` is no time; accepted are times such as 2026-11-21T04:45:00Z, \
                 2026-11-21T04:45:00+01:00, in local time 2026-11-21T04:45, 04:45 (the last in the \
                 recording, or the nearest) and `yesterday 04:45`, and +30s after the first sample or -5m \
                 before the last"
            ));
        }
    };
    Ok(When::At(nanoseconds(time)))
}

/// A time of day with a colon; a number alone is none.
fn time_of_day(text: &str) -> Option<Time> {
    let is_plain =
        text.contains(':') && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b':' | b'.'));
    text.parse().ok().filter(|_| is_plain)
}

/// How many days before today.
fn days_back(day: &str) -> Option<u32> {
    match day {
        "today" => Some(0),
        "yesterday" => Some(1),
        _ => None,
    }
}

/// The only time at which clocks of this zone show a civil time.
fn unambiguous(text: &str, civil: DateTime, zone: &TimeZone) -> Result<Timestamp, String> {
    let time = zone.to_ambiguous_timestamp(civil);
    let with = |offset: Offset| {
        offset.to_timestamp(civil).map_or_else(
            |error| error.to_string(),
            |time| time.display_with_offset(offset).to_string(),
        )
    };
    let change = match time.offset() {
        AmbiguousOffset::Unambiguous { .. } => None,
        AmbiguousOffset::Gap { before, after } => Some(("never", before, after)),
        AmbiguousOffset::Fold { before, after } => Some(("twice", before, after)),
    };
    if let Some((times, before, after)) = change {
        return Err(format!(
            "`{text}` occurs {times} in the local time zone, whose offset changes then: say {} or \
             {}",
            with(before),
            with(after)
        ));
    }
    time.unambiguous().map_err(|error| format!("`{text}`: {error}"))
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
        assert_eq!(parse_time("04:45"), Ok(When::TimeOfDay(Time::constant(4, 45, 0, 0))));
        for text in ["", "yesterday", "yesterday noon", "24:45", "+", "-", "+-5m", "12"] {
            assert!(parse_time(text).unwrap_err().contains("accepted are"), "{text}");
        }
    }
    /// Central European time.
    fn berlin() -> Result<&'static TimeZone, String> {
        static ZONE: std::sync::LazyLock<TimeZone> =
            std::sync::LazyLock::new(|| TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap());
        Ok(&ZONE)
    }

    #[test]
    fn local_times_are_of_the_zone() {
        for (local, utc) in [
            ("2026-11-21T05:45", "2026-11-21T04:45Z"),
            ("2026-07-21 06:45:00.25", "2026-07-21T04:45:00.25Z"),
            ("2026-10-25T01:59:59", "2026-10-24T23:59:59Z"),
            ("2026-10-25T03:00", "2026-10-25T02:00Z"),
        ] {
            assert_eq!(parse_in(local, berlin), parse_time(utc), "{local}");
        }
        let twice = parse_in("2026-10-25T02:30", berlin).unwrap_err();
        let both = "say 2026-10-25T02:30:00+02:00 or 2026-10-25T02:30:00+01:00";
        assert!(twice.contains("occurs twice") && twice.contains(both), "{twice}");
        let never = parse_in("2026-03-29T02:30", berlin).unwrap_err();
        assert!(never.contains("occurs never"), "{never}");
        // Only local times need a zone.
        let none = || Err::<&TimeZone, _>("no zone");
        assert_eq!(parse_in("2026-11-21T05:45", none).unwrap_err(), "no zone");
        assert!(parse_in("2026-11-21T05:45Z", none).is_ok());
    }

    #[test]
    fn a_time_of_day_is_the_last_in_the_recording_or_the_nearest() {
        for (time, first, last, wanted) in [
            ("03:12", "2026-11-18T09:00Z", "2026-11-21T09:00Z", "2026-11-21T02:12Z"),
            ("03:12", "2026-11-18T09:00Z", "2026-11-21T02:12Z", "2026-11-21T02:12Z"),
            ("03:12", "2026-11-18T09:00Z", "2026-11-21T02:00Z", "2026-11-20T02:12Z"),
            // The day ends at midnight of the zone.
            ("00:30:05", "2026-11-18T09:00Z", "2026-11-20T23:45Z", "2026-11-20T23:30:05Z"),
            ("00:30", "2026-11-18T09:00Z", "2026-11-20T23:15Z", "2026-11-19T23:30Z"),
            // After the end and before the beginning of an hour's recording.
            ("05:30", "2026-11-21T03:00Z", "2026-11-21T04:00Z", "2026-11-21T04:30Z"),
            ("03:30", "2026-11-21T03:00Z", "2026-11-21T04:00Z", "2026-11-21T02:30Z"),
            ("00:10", "2026-11-21T22:00Z", "2026-11-21T22:50Z", "2026-11-21T23:10Z"),
            ("23:50", "2026-11-21T23:10Z", "2026-11-21T23:40Z", "2026-11-21T22:50Z"),
        ] {
            let [first, last, wanted] =
                [first, last, wanted].map(|time| time.parse::<Timestamp>().unwrap());
            let time = time_of_day(time).unwrap();
            let found = timestamp(nearest_day(time, first, last, berlin().unwrap()));
            assert_eq!(found, wanted, "{time} {first} {last}");
        }
        let Ok(When::At(yesterday)) = parse_in("yesterday 03:12", berlin) else { panic!() };
        let now = Timestamp::now();
        let shown = berlin().unwrap().to_datetime(timestamp(yesterday));
        assert_eq!((shown.hour(), shown.minute()), (3, 12));
        let age = now.duration_since(timestamp(yesterday)).as_hours();
        assert!((20..46).contains(&age), "{age}");
    }

    #[test]
    fn what_is_shown_can_be_given_back() {
        let hour = 3_600_000_000_000;
        // Around both changes of the zone in 2026, and far from them.
        for change in ["2026-03-29T01:00Z", "2026-10-25T01:00Z", "2026-07-01T00:00Z"] {
            let Ok(When::At(change)) = parse_time(change) else { panic!("{change}") };
            for time in (change - 2 * hour..=change + 2 * hour).step_by(hour as usize / 4) {
                let time = time + 123_456_789;
                for zone in [berlin().unwrap(), &TimeZone::UTC] {
                    let shown = in_zone(timestamp(time), zone);
                    assert_eq!(parse_in(&shown, berlin), Ok(When::At(time)), "{shown}");
                }
            }
        }
        let shown = in_zone("2026-07-01T00:00Z".parse().unwrap(), berlin().unwrap());
        assert_eq!(shown, "2026-07-01T02:00:00.000000000+02:00");
        assert_eq!(in_zone(timestamp(0), &TimeZone::UTC), "1970-01-01T00:00:00.000000000Z");
    }
}
