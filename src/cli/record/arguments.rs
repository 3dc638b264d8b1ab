//! Arguments for where and when a recording is written.

use crate::cli::repeat::interval;
use crate::cli::size::size;
use crate::output::human::spelled;
use crate::recording::{CounterThreshold, Retention, RotateAt};

/// Smaller files would mostly hold what each file begins with.
const SMALLEST: u64 = 64 << 10;

pub(super) fn rotate(text: &str) -> Result<RotateAt, String> {
    // A number alone may be seconds, or a number of files.
    let has_unit = text.parse::<f64>().is_err();
    if let Some(time) = interval(text).ok().filter(|_| has_unit) {
        return Ok(RotateAt::Age(time));
    }
    match size(text, 1 << 50) {
        Ok(size) if size >= SMALLEST => Ok(RotateAt::Size(size)),
        _ => Err(format!(
            "`{text}` is neither a time nor a size; accepted are e.g. 1h, 30m, 100MiB, sizes of at \
             least {}",
            spelled(SMALLEST)
        )),
    }
}

pub(super) fn keep(text: &str) -> Result<Retention, String> {
    if let Ok(number) = text.parse::<usize>()
        && number > 0
    {
        return Ok(Retention::Files(number));
    }
    interval(text).map(Retention::Time).map_err(|_| {
        format!("`{text}` is no time and no number of files; accepted are e.g. 24h, 7d, 10")
    })
}

/// Reads `NAME > NUMBER`, or `NAME > NUMBER/s`.
pub(super) fn threshold(text: &str) -> Result<CounterThreshold, String> {
    let wrong = || {
        format!(
            "`{text}` is no threshold; accepted are a counter and its growth, in an interval or \
             a second: 'TcpRetransSegs > 500', 'TcpRetransSegs > 1000/s'"
        )
    };
    let (counter, number) = text.split_once('>').ok_or_else(wrong)?;
    let (counter, number) = (counter.trim(), number.trim());
    let (number, per_second) = match number.strip_suffix("/s") {
        Some(number) => (number.trim_end(), true),
        None => (number, false),
    };
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let above = number.parse().ok().filter(|_| plain && !counter.is_empty()).ok_or_else(wrong)?;
    Ok(CounterThreshold { counter: counter.to_owned(), above, per_second })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn files() {
        assert_eq!(rotate("1h"), Ok(RotateAt::Age(Duration::from_secs(3600))));
        assert_eq!(rotate("100MiB"), Ok(RotateAt::Size(100 << 20)));
        assert_eq!(keep("24h"), Ok(Retention::Time(Duration::from_secs(86_400))));
        assert_eq!(keep("10"), Ok(Retention::Files(10)));
        for text in ["", "0", "10", "-1h", "often", "10KiB"] {
            assert!(rotate(text).unwrap_err().contains("accepted are e.g. 1h"), "{text}");
        }
        for text in ["", "0", "-1", "forever", "100MiB"] {
            assert!(keep(text).unwrap_err().contains("accepted are e.g. 24h"), "{text}");
        }
    }

    #[test]
    fn thresholds() {
        for (text, counter, above, per_second) in [
            ("TcpRetransSegs > 1000/s", "TcpRetransSegs", 1000.0, true),
            ("retranssegs>5", "retranssegs", 5.0, false),
            (" TcpExt TCPTimeouts > 0.5 /s ", "TcpExt TCPTimeouts", 0.5, true),
        ] {
            let expected = CounterThreshold { counter: counter.to_owned(), above, per_second };
            assert_eq!(threshold(text), Ok(expected), "{text}");
        }
        for text in
            ["", "TcpRetransSegs", "> 5", "a > ", "a > b", "a > -1", "a > 1/m", "a >= 1", "a > nan"]
        {
            assert!(threshold(text).unwrap_err().contains("accepted are"), "{text}");
        }
    }
}
