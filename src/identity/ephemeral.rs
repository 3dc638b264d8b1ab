//! The ports that the kernel assigns to clients.

use std::ops::RangeInclusive;

/// The kernel's default of `net.ipv4.ip_local_port_range`.
pub const DEFAULT_EPHEMERAL: RangeInclusive<u16> = 32_768..=60_999;

/// Reads the value of `net.ipv4.ip_local_port_range`; the kernel's default where it is not known.
pub fn ephemeral_range(setting: Option<&str>) -> RangeInclusive<u16> {
    let parse = |text: &str| {
        let mut ends = text.split_whitespace().map_while(|end| end.parse::<u16>().ok());
        Some(ends.next()?..=ends.next()?)
    };
    setting.and_then(parse).unwrap_or(DEFAULT_EPHEMERAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_or_the_default() {
        assert_eq!(ephemeral_range(Some("1024\t2000\n")), 1024..=2000);
        for unknown in [None, Some(""), Some("1024"), Some("a b"), Some("70000 70001")] {
            assert_eq!(ephemeral_range(unknown), DEFAULT_EPHEMERAL);
        }
    }
}
