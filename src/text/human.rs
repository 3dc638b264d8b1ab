//! Numbers with units, three significant digits, appended to a buffer.

use std::fmt::Write as _;
use std::time::Duration;

/// The largest of `steps` that is not above the value, and the value divided by it.
fn scaled(value: f64, steps: &[(f64, &str)], out: &mut String) {
    let chosen = steps.iter().rev().find(|(size, _)| value >= size * 0.9995).or(steps.first());
    let Some((size, unit)) = chosen else { return };
    let scaled = value / size;
    if scaled >= 99.95 || (scaled - scaled.round()).abs() < 0.005 {
        decimal(scaled, 0, out);
    } else if scaled >= 9.995 {
        decimal(scaled, 1, out);
    } else {
        decimal(scaled, 2, out);
    }
    out.push_str(unit);
}

/// Appends a number with this many decimals, like `{:.n}`, whose exact arithmetic took an eighth of
/// a table's time. The number is rounded as an integer in units of the last decimal, unless it is
/// so close to a half that only the exact value decides.
fn decimal(value: f64, decimals: usize, out: &mut String) {
    const SCALES: [(u64, f64); 3] = [(1, 1.0), (10, 10.0), (100, 100.0)];
    let exact = SCALES.get(decimals).and_then(|&(divisor, scale)| {
        let shifted = value * scale;
        let whole = shifted as u64;
        let fraction = shifted - whole as f64;
        let clear = (0.0..1e9).contains(&shifted) && (fraction - 0.5).abs() > 1e-6;
        clear.then(|| (divisor, whole + u64::from(fraction > 0.5)))
    });
    let Some((divisor, number)) = exact else {
        // Writing to a String cannot fail.
        let _ = write!(out, "{value:.decimals$}");
        return;
    };
    count(number / divisor, out);
    if divisor > 1 {
        out.push('.');
        if divisor == 100 && number % 100 < 10 {
            out.push('0');
        }
        count(number % divisor, out);
    }
}

/// `0`, `153us`, `1.25ms`, `2.4s`, `12m40s`, `49m`, `2h5m`, `3d4h`: as filters read it.
pub fn microseconds(value: u64, out: &mut String) {
    const STEPS: [(f64, &str); 3] = [(1.0, "us"), (1e3, "ms"), (1e6, "s")];
    // Longer ones in two units, the smaller of which is rounded. What rounds up to a unit in the
    // smaller ones is written in it.
    const UNITS: [(u64, &str, u64, &str, u64); 3] =
        [(60, "m", 1, "s", 1), (3600, "h", 60, "m", 1), (86_400, "d", 3600, "h", 60)];
    if value == 0 {
        return out.push('0');
    }
    let seconds = value / 1_000_000 + u64::from(value % 1_000_000 >= 500_000);
    let rounded = |step: u64| (seconds + step / 2) / step * step;
    let long = UNITS.iter().rev().find(|(unit, .., before)| rounded(*before) >= *unit);
    let Some(&(unit, name, step, smaller, _)) = long else {
        return scaled(value as f64, &STEPS, out);
    };
    let rounded = rounded(step);
    count(rounded / unit, out);
    out.push_str(name);
    if rounded % unit > 0 {
        count(rounded % unit / step, out);
        out.push_str(smaller);
    }
}

/// `0`, `1448`, `65535`, `98k`, `3.2M`: up to five digits unchanged, so that segment and window
/// sizes stay recognisable; then powers of 1024.
pub fn bytes(value: u64, out: &mut String) {
    if value < 100_000 {
        return count(value, out);
    }
    const STEPS: [(f64, &str); 5] = [
        (1024.0, "k"),
        (1_048_576.0, "M"),
        (1_073_741_824.0, "G"),
        (1_099_511_627_776.0, "T"),
        (1_125_899_906_842_624.0, "P"),
    ];
    scaled(value as f64, &STEPS, out);
}

/// Bytes per second as bits per second: `0`, `9.6kbit`, `1.2Gbit`.
pub fn bit_rate(bytes_per_second: f64, out: &mut String) {
    let bits = bytes_per_second * 8.0;
    if bits < 0.5 {
        return out.push('0');
    }
    const STEPS: [(f64, &str); 5] =
        [(1.0, "bit"), (1e3, "kbit"), (1e6, "Mbit"), (1e9, "Gbit"), (1e12, "Tbit")];
    scaled(bits, &STEPS, out);
}

/// `0%`, `0.03%`, `4.5%`, `98%`; `<0.01%` for what would round to zero.
pub fn share(value: f64, out: &mut String) {
    let percent = value * 100.0;
    if percent <= 0.0 {
        out.push('0');
    } else if percent < 0.01 {
        out.push_str("<0.01");
    } else if percent < 1.0 {
        decimal(percent, 2, out);
    } else if percent < 9.95 {
        decimal(percent, 1, out);
    } else {
        decimal(percent, 0, out);
    }
    out.push('%');
}

/// `1234567` as `1,234,567`.
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1GiB`, `1.5MiB`, `312 bytes`: sizes of files, with their units.
pub fn spelled(bytes: u64) -> String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.iter().find(|(_, shift)| bytes >> shift > 0) {
        None => format!("{} bytes", grouped(bytes)),
        Some((unit, shift)) => {
            let value = bytes as f64 / (1u64 << shift) as f64;
            let decimals = usize::from(value < 100.0 && value.fract() != 0.0);
            format!("{value:.decimals$}{unit}")
        }
    }
}

/// `1 sample`, `2 samples`.
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// `8s`, `2m 5s`, `3h 12m`.
pub fn in_words(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}

/// Events per second: `0`, `0.004`, `3.25`, `12.5`, `1,234`.
pub fn rate(value: f64) -> String {
    match value {
        value if value <= 0.0 || !value.is_finite() => "0".to_owned(),
        value if value < 0.000_95 => "<0.001".to_owned(),
        value if value < 0.0995 => format!("{value:.3}"),
        value if value < 9.995 => format!("{value:.2}"),
        value if value < 99.95 => format!("{value:.1}"),
        value => grouped(value.round() as u64),
    }
}

/// A whole number, unformatted.
pub fn count(value: u64, out: &mut String) {
    out.push_str(itoa::Buffer::new().format(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        write(&mut out);
        out
    }

    #[test]
    fn times() {
        for (value, expected) in [
            (0, "0"),
            (1, "1us"),
            (999, "999us"),
            (1000, "1ms"),
            (1250, "1.25ms"),
            (204_000, "204ms"),
            (999_999, "1s"),
            (5_312_000, "5.31s"),
            (59_400_000, "59.4s"),
            (59_600_000, "1m"),
            (760_000_000, "12m40s"),
            (49 * 60_000_000, "49m"),
            (3_599_000_000, "59m59s"),
            (3_599_600_000, "1h"),
            (7_199_000_000, "2h"),
            (86_369_000_000, "23h59m"),
            (7_520_000_000, "2h5m"),
            (86_390_000_000, "1d"),
            (273_600_000_000, "3d4h"),
            (u64::MAX, "213503982d8h"),
        ] {
            assert_eq!(text(|out| microseconds(value, out)), expected, "{value}");
        }
    }

    #[test]
    fn sizes_and_rates() {
        assert_eq!(text(|out| bytes(1023, out)), "1023");
        assert_eq!(text(|out| bytes(65_535, out)), "65535");
        assert_eq!(text(|out| bytes(100_352, out)), "98k");
        assert_eq!(text(|out| bytes(3_500_000, out)), "3.34M");
        assert_eq!(text(|out| bit_rate(0.0, out)), "0");
        assert_eq!(text(|out| bit_rate(125_000.0, out)), "1Mbit");
        assert_eq!(text(|out| bit_rate(1.5e9, out)), "12Gbit");
    }

    #[test]
    fn numbers_and_rates() {
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        for (value, expected) in [
            (0.0, "0"),
            (0.000_1, "<0.001"),
            (0.0042, "0.004"),
            (0.1, "0.10"),
            (9.999, "10.0"),
            (99.97, "100"),
            (12_345.6, "12,346"),
            (f64::INFINITY, "0"),
        ] {
            assert_eq!(rate(value), expected, "{value}");
        }
    }

    #[test]
    fn shares() {
        for (value, expected) in
            [(0.0, "0%"), (0.00001, "<0.01%"), (0.0123, "1.2%"), (0.5, "50%"), (1.0, "100%")]
        {
            assert_eq!(text(|out| share(value, out)), expected);
        }
    }

    #[test]
    fn decimals_match_the_standard_library() {
        let odd = [0.125, 0.375, 2.5, 3.5, 1.005, 1.015, 9.995, 99.95, 0.0, 0.999_999_999, 1e18];
        let many = (0..20_000u32).map(|n| f64::from(n) / 1000.0);
        let wild = (0..2_000u32).map(|n| f64::from(n).powi(3) / 1024.0);
        for value in odd.into_iter().chain(many).chain(wild) {
            for decimals in 0..3 {
                assert_eq!(
                    text(|out| decimal(value, decimals, out)),
                    format!("{value:.decimals$}")
                );
            }
        }
    }

    #[test]
    fn times_in_words() {
        for (seconds, words) in [(0, "0s"), (59, "59s"), (125, "2m 5s"), (90_000, "25h 0m")] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
        assert_eq!(
            (counted(1, "sample"), counted(1200, "sample")),
            ("1 sample".to_owned(), "1,200 samples".to_owned())
        );
    }

    #[test]
    fn sizes_of_files() {
        for (bytes, words) in
            [(0, "0 bytes"), (1023, "1,023 bytes"), (1536, "1.5KiB"), (1 << 30, "1GiB")]
        {
            assert_eq!(spelled(bytes), words);
        }
        assert_eq!(spelled(300 * 1024 + 100), "300KiB");
    }
}
