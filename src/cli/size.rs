//! Numbers of bytes as arguments.

use crate::filter::Amount;
use crate::model::Unit;
use crate::output::human;

/// A number of bytes up to `most`: `65536`, `32MiB`.
pub(super) fn size(text: &str, most: u64) -> Result<u64, String> {
    match Amount::read(text, Unit::Bytes) {
        Ok(Amount::Integer(bytes)) if (1..=most).contains(&bytes) => Ok(bytes),
        Ok(_) => {
            let most = spelled(most);
            Err(format!("`{text}` is out of range; accepted are 1 to {most}"))
        }
        Err(accepted) => {
            Err(format!("`{text}` is no size; accepted are whole numbers with {accepted}"))
        }
    }
}

/// Bytes in words: `1GiB`, `1.5MiB`, `312 bytes`.
pub(super) fn spelled(bytes: u64) -> String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.iter().find(|(_, shift)| bytes >> shift > 0) {
        None => format!("{} bytes", human::grouped(bytes)),
        Some((unit, shift)) => {
            let value = bytes as f64 / (1u64 << shift) as f64;
            let decimals = usize::from(value < 100.0 && value.fract() != 0.0);
            format!("{value:.decimals$}{unit}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size("64KiB", 1 << 30), Ok(65_536));
        assert_eq!(size("1", 1), Ok(1));
        assert!(size("2GiB", 1 << 30).unwrap_err().ends_with("accepted are 1 to 1GiB"));
        assert!(size("0", 1 << 30).unwrap_err().contains("out of range"));
        assert!(size("big", 1 << 30).unwrap_err().contains("no size"));
    }

    #[test]
    fn in_words() {
        for (bytes, words) in
            [(0, "0 bytes"), (1023, "1,023 bytes"), (1536, "1.5KiB"), (1 << 30, "1GiB")]
        {
            assert_eq!(spelled(bytes), words);
        }
        assert_eq!(spelled(300 * 1024 + 100), "300KiB");
    }
}
