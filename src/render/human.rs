//! Numbers with units, three significant digits, appended to a buffer.

use std::fmt::Write as _;

/// One of `steps` such that the number before it is small, and how often it
/// fits.
fn scaled(value: f64, steps: &[(f64, &str)], out: &mut String) {
    let chosen = steps.iter().rev().find(|(size, _)| value >= size * 0.9995).or(steps.first());
    let Some((size, unit)) = chosen else { return };
    let scaled = value / size;
    // Writing to a String cannot fail.
    let _ = if scaled >= 99.95 || (scaled - scaled.round()).abs() < 0.005 {
        write!(out, "{scaled:.0}{unit}")
    } else if scaled >= 9.995 {
        write!(out, "{scaled:.1}{unit}")
    } else {
        write!(out, "{scaled:.2}{unit}")
    };
}

/// `0`, `153us`, `1.25ms`, `2.4s`, `3.5min`, `49min`, `2.1h`, `3.2d`.
pub fn microseconds(value: u64, out: &mut String) {
    if value == 0 {
        return out.push('0');
    }
    const STEPS: [(f64, &str); 6] =
        [(1.0, "us"), (1e3, "ms"), (1e6, "s"), (60e6, "min"), (3600e6, "h"), (86400e6, "d")];
    scaled(value as f64, &STEPS, out);
}

/// `0`, `1448`, `65535`, `98k`, `3.2M`: up to five digits as they are, so that
/// segment and window sizes stay recognisable; then powers of 1024.
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

/// `0%`, `0.03%`, `4.5%`, `98%`; `<0.01%` for what would round to nothing.
pub fn share(value: f64, out: &mut String) {
    let percent = value * 100.0;
    let _ = if percent <= 0.0 {
        write!(out, "0%")
    } else if percent < 0.01 {
        write!(out, "<0.01%")
    } else if percent < 1.0 {
        write!(out, "{percent:.2}%")
    } else if percent < 9.95 {
        write!(out, "{percent:.1}%")
    } else {
        write!(out, "{percent:.0}%")
    };
}

/// A whole number as it is.
pub fn count(value: u64, out: &mut String) {
    let _ = write!(out, "{value}");
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
            (49 * 60_000_000, "49min"),
            (u64::MAX, "213503982d"),
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
    fn shares() {
        for (value, expected) in
            [(0.0, "0%"), (0.00001, "<0.01%"), (0.0123, "1.2%"), (0.5, "50%"), (1.0, "100%")]
        {
            assert_eq!(text(|out| share(value, out)), expected);
        }
    }
}
