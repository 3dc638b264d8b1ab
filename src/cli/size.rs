//! Sizes in bytes as arguments.

use crate::filter::Amount;
use crate::model::Unit;
use crate::output::human::spelled;

/// Parses a number of bytes up to `most`: `65536`, `32MiB`.
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
}
