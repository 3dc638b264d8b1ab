//! Numbers with units.
//!
//! Conversions are exact: a constant becomes an integer in the field's own unit wherever possible.

use std::cmp::Ordering;

use crate::model::{Reading, Unit};

/// A constant, in the unit of the field it is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// A whole number.
    Integer(u64),
    /// Any other, and whole ones beyond 64 bits.
    Real(f64),
}

impl Amount {
    /// Reads a number with one of a unit's suffixes, or none: `32MiB`.
    ///
    /// # Errors
    /// What is accepted, when that is something else.
    pub fn read(text: &str, unit: Unit) -> Result<Self, &'static str> {
        if let Some(long) = long_time(unit, text.trim()) {
            return Ok(long);
        }
        let (number, suffix) = split(text.trim());
        let factor = if suffix.is_empty() { Some((1, 1)) } else { factor(unit, suffix.trim()) };
        factor.and_then(|factor| amount(number, factor)).ok_or_else(|| accepted(unit))
    }

    /// Whether this, written without a unit, may mean several things to a person. Zero is the same in
    /// all units.
    pub(super) fn lacks_unit(self, unit: Unit) -> bool {
        let exceeds = |limit| match self {
            Self::Integer(amount) => amount > limit,
            Self::Real(amount) => amount > limit as f64,
        };
        match unit {
            Unit::Microseconds | Unit::Milliseconds | Unit::BytesPerSecond => exceeds(0),
            // No share exceeds 1, so this is meant in percent.
            Unit::Ratio => exceeds(1),
            Unit::Bytes | Unit::Segments | Unit::Connections | Unit::Events | Unit::None => false,
        }
    }

    /// The order of a field's value and this; `None` where there is no value.
    pub(super) fn order(self, reading: Reading) -> Option<Ordering> {
        match (reading, self) {
            (Reading::Integer(value), Self::Integer(amount)) => Some(value.cmp(&amount)),
            (reading, Self::Integer(amount)) => reading.as_f64()?.partial_cmp(&(amount as f64)),
            (reading, Self::Real(amount)) => reading.as_f64()?.partial_cmp(&amount),
        }
    }
}

/// A time in several units, as tables have it: `12m40s`, `2h5m`, `3d4h`. `None` for any other text
/// or unit.
pub(super) fn long_time(unit: Unit, text: &str) -> Option<Amount> {
    let per_second = factor(unit, "s")?;
    let (mut rest, mut seconds, mut units) = (text, 0u64, 0);
    for (name, length) in [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)] {
        let (number, suffix) = split(rest);
        let Some(behind) = suffix.strip_prefix(name) else { continue };
        seconds = seconds.checked_add(number.parse::<u64>().ok()?.checked_mul(length)?)?;
        (rest, units) = (behind, units + 1);
    }
    let is_long = rest.is_empty() && units > 1;
    is_long.then(|| amount(&seconds.to_string(), per_second)).flatten()
}

/// Splits `50ms` into number and unit. The number is empty where there is none.
pub(super) fn split(word: &str) -> (&str, &str) {
    if word.starts_with("0x") || word.starts_with("0X") {
        return (word, "");
    }
    word.split_at(word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len()))
}

/// The amount of a number with a unit.
pub(super) fn amount(number: &str, (by, over): (u64, u64)) -> Option<Amount> {
    let (digits, scale) = decimal(number)?;
    let (numerator, denominator) = (digits * u128::from(by), scale * u128::from(over));
    let whole = (numerator % denominator == 0)
        .then(|| u64::try_from(numerator / denominator).ok())
        .flatten();
    Some(whole.map_or(Amount::Real(numerator as f64 / denominator as f64), Amount::Integer))
}

/// A decimal number as digits over a power of ten, or a hexadecimal one. At
/// most 20 digits, so that no multiplication here overflows.
fn decimal(number: &str) -> Option<(u128, u128)> {
    if let Some(digits) = number.strip_prefix("0x").or_else(|| number.strip_prefix("0X")) {
        return hexadecimal(digits).map(|value| (value.into(), 1));
    }
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let fits = whole.len() + fraction.len() <= 21 && !whole.is_empty() && !fraction.is_empty();
    let plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if !fits || !plain(whole) || !plain(fraction) {
        return None;
    }
    let scale = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    Some((whole.parse::<u128>().ok()? * scale + fraction.parse::<u128>().ok()?, scale))
}

/// Digits after `0x`, without the sign that `from_str_radix` would accept.
pub(super) fn hexadecimal(digits: &str) -> Option<u64> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if plain { u64::from_str_radix(digits, 16).ok() } else { None }
}

/// The value of one `suffix` in the field's unit, as a fraction. No suffix means the field's own unit.
/// `None` for a unit that the field does not accept.
pub(super) fn factor(unit: Unit, suffix: &str) -> Option<(u64, u64)> {
    match (unit, suffix) {
        (_, "") => Some((1, 1)),
        (Unit::Microseconds, _) => Some((microseconds(suffix)?, 1)),
        (Unit::Milliseconds, _) => Some((microseconds(suffix)?, 1000)),
        (Unit::Bytes, _) => Some((bytes(suffix)?, 1)),
        (Unit::BytesPerSecond, _) => rate(suffix),
        (Unit::Ratio, "%") => Some((1, 100)),
        _ => None,
    }
}

/// Whether a word is a unit of some field.
pub(super) fn is_unit(word: &str) -> bool {
    let units = [Unit::Microseconds, Unit::BytesPerSecond, Unit::Ratio];
    !word.is_empty() && units.into_iter().any(|unit| factor(unit, word).is_some())
}

/// The units that a field accepts, for messages.
pub(super) fn accepted(unit: Unit) -> &'static str {
    match unit {
        Unit::Microseconds | Unit::Milliseconds => "us, ms, s, m, h, d",
        Unit::Bytes => "B, k or kB, K or KiB, MB, MiB, GB, GiB, TB, TiB",
        Unit::BytesPerSecond => {
            "B, k or kB, K or KiB, MB, MiB, GB, GiB, all per second, and bit, kbit, Mbit, Gbit"
        }
        Unit::Ratio => "a share such as 0.01, or 1%",
        Unit::Segments | Unit::Connections | Unit::Events | Unit::None => "a plain number",
    }
}

/// What a number without a unit may have meant, for messages.
pub(super) fn with_units(number: &str, unit: Unit) -> String {
    match unit {
        Unit::Ratio => format!("{number}%, or a share up to 1"),
        Unit::BytesPerSecond => format!("{number}kB (per second), {number}kbit, {number}Mbit, ..."),
        _ => format!("{number}us, {number}ms, {number}s, ..."),
    }
}

fn microseconds(suffix: &str) -> Option<u64> {
    Some(match suffix {
        // The micro sign and the Greek letter.
        "us" | "\u{b5}s" | "\u{3bc}s" => 1,
        "ms" => 1000,
        "s" => 1_000_000,
        "m" | "min" => 60_000_000,
        "h" => 3_600_000_000,
        "d" => 86_400_000_000,
        _ => return None,
    })
}

fn bytes(suffix: &str) -> Option<u64> {
    Some(match suffix {
        "B" => 1,
        "k" | "kB" => 1000,
        "K" | "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        "TB" => 1_000_000_000_000,
        "TiB" => 1 << 40,
        _ => return None,
    })
}

/// Bytes or bits per second. `bps` are bits, as ss prints them.
fn rate(suffix: &str) -> Option<(u64, u64)> {
    let plain = suffix.strip_suffix("/s").unwrap_or(suffix);
    if let Some(by) = bytes(plain) {
        return Some((by, 1));
    }
    let prefix = plain.strip_suffix("bit").or_else(|| suffix.strip_suffix("bps"))?;
    Some(match prefix {
        "" => (1, 8),
        "k" => (1000, 8),
        "M" => (1_000_000, 8),
        "G" => (1_000_000_000, 8),
        _ => return None,
    })
}

/// A rate above 0, in bytes per second.
///
/// # Errors
/// What is accepted, where it is something else.
pub fn parse_rate(text: &str) -> Result<f64, String> {
    let accepted = "a rate such as 10Gbit, 100Mbit or 50MB (per second)";
    match Amount::read(text, Unit::BytesPerSecond) {
        Ok(amount) => match amount {
            Amount::Integer(value) if value > 0 => Ok(value as f64),
            Amount::Real(value) if value.is_finite() && value > 0.0 => Ok(value),
            _ => Err(format!("`{text}` is no rate; accepted is {accepted}")),
        },
        Err(_) => Err(format!("`{text}` is no rate; accepted is {accepted}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(unit: Unit, word: &str) -> Option<Amount> {
        let (number, suffix) = split(word);
        amount(number, factor(unit, suffix)?)
    }

    #[test]
    fn long_times_are_read_as_tables_write_them() {
        for (text, seconds) in
            [("12m40s", 760), ("2h5m", 7500), ("3d4h", 273_600), ("1d2h3m4s", 93_784)]
        {
            for (unit, factor) in [(Unit::Microseconds, 1_000_000), (Unit::Milliseconds, 1000)] {
                assert_eq!(Amount::read(text, unit), Ok(Amount::Integer(seconds * factor)));
            }
        }
        for seconds in [60, 61, 3599, 3600, 7500, 86_400, 273_600] {
            let mut shown = String::new();
            crate::text::human::microseconds(seconds * 1_000_000, &mut shown);
            let read = Amount::read(&shown, Unit::Microseconds);
            assert_eq!(read, Ok(Amount::Integer(seconds * 1_000_000)), "{shown}");
        }
        for text in ["40s12m", "12m40", "12m40ms", "1.5m3s", "m40s", "12m40s5", "12m40s "] {
            assert_eq!(long_time(Unit::Microseconds, text), None, "{text}");
        }
        assert_eq!(long_time(Unit::Bytes, "12m40s"), None);
    }

    #[test]
    fn units() {
        use Amount::{Integer, Real};
        for (unit, word, amount) in [
            (Unit::Microseconds, "50", Integer(50)),
            (Unit::Microseconds, "50ms", Integer(50_000)),
            (Unit::Microseconds, "0.3ms", Integer(300)),
            (Unit::Microseconds, "0.0001ms", Real(0.1)),
            (Unit::Microseconds, "1.5s", Integer(1_500_000)),
            (Unit::Microseconds, "2h", Integer(7_200_000_000)),
            (Unit::Microseconds, "7µs", Integer(7)),
            (Unit::Milliseconds, "5", Integer(5)),
            (Unit::Milliseconds, "5m", Integer(300_000)),
            (Unit::Milliseconds, "500us", Real(0.5)),
            (Unit::Bytes, "1k", Integer(1000)),
            (Unit::Bytes, "1kB", Integer(1000)),
            (Unit::Bytes, "1K", Integer(1024)),
            (Unit::Bytes, "1.5KiB", Integer(1536)),
            (Unit::Bytes, "64MiB", Integer(64 << 20)),
            (Unit::Bytes, "2GB", Integer(2_000_000_000)),
            (Unit::Bytes, "18446744073709551615", Integer(u64::MAX)),
            (Unit::Bytes, "18446744073709551616", Real(18_446_744_073_709_551_616.0)),
            (Unit::BytesPerSecond, "10Mbit", Integer(1_250_000)),
            (Unit::BytesPerSecond, "10Mbps", Integer(1_250_000)),
            (Unit::BytesPerSecond, "10Mbit/s", Integer(1_250_000)),
            (Unit::BytesPerSecond, "10MB/s", Integer(10_000_000)),
            (Unit::BytesPerSecond, "1kbit", Integer(125)),
            (Unit::BytesPerSecond, "1bit", Real(0.125)),
            (Unit::BytesPerSecond, "8bps", Integer(1)),
            (Unit::Ratio, "1%", Real(0.01)),
            (Unit::Ratio, "0.01", Real(0.01)),
            (Unit::Ratio, "100%", Integer(1)),
            (Unit::Segments, "3", Integer(3)),
            (Unit::None, "0x1F", Integer(31)),
        ] {
            assert_eq!(read(unit, word), Some(amount), "{word}");
        }
        for (unit, word) in [
            (Unit::Microseconds, "5kB"),
            (Unit::Microseconds, "5MS"),
            (Unit::Bytes, "5M"),
            (Unit::Bytes, "5kbit"),
            (Unit::Bytes, "5B/s"),
            (Unit::BytesPerSecond, "5bps/s"),
            (Unit::Ratio, "5ms"),
            (Unit::Segments, "5k"),
            (Unit::None, "0x"),
            (Unit::None, "0x+1"),
            (Unit::None, ""),
            (Unit::None, "."),
            (Unit::None, "1."),
            (Unit::None, "1.2.3"),
            (Unit::None, "-1"),
            (Unit::None, "1234567890123456789012"),
        ] {
            assert_eq!(read(unit, word), None, "{word}");
        }
    }

    #[test]
    fn comparing_is_exact() {
        let big = (1 << 53) + 1;
        assert_eq!(Amount::Integer(big).order(Reading::Integer(big - 1)), Some(Ordering::Less));
        assert_eq!(Amount::Real(0.5).order(Reading::Integer(1)), Some(Ordering::Greater));
        assert_eq!(Amount::Real(0.01).order(Reading::Ratio(1.0 / 100.0)), Some(Ordering::Equal));
        assert_eq!(Amount::Integer(0).order(Reading::Absent), None);
        assert_eq!(Amount::Integer(0).order(Reading::Unset), None);
    }

    #[test]
    fn rates() {
        assert_eq!(parse_rate("10Gbit"), Ok(1.25e9));
        for bad in ["", "0", "-1", "fast", "10s"] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
    }
}
