//! Shortens names.

use unicode_width::UnicodeWidthStr;

/// A name in at most `width` columns. It is shortened in the middle: names begin with what they are
/// and end in what distinguishes them (a port, the last part of a path).
pub fn shorten(name: &str, width: usize) -> String {
    if name.width() <= width {
        return name.to_owned();
    }
    let both = width.saturating_sub(1);
    let heads = name.char_indices().filter_map(|(at, _)| name.get(..at));
    let tails = name.char_indices().rev().filter_map(|(at, _)| name.get(at..));
    let (head, tail) = (longest(heads, both.div_ceil(2)), longest(tails, both / 2));
    format!("{}…{}", head.trim_end(), tail.trim_start())
}

/// The last of ever longer parts that fits.
fn longest<'a>(parts: impl Iterator<Item = &'a str>, width: usize) -> &'a str {
    parts.take_while(|part| part.width() <= width).last().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_kept() {
        assert_eq!(shorten("java", 4), "java");
        assert_eq!(shorten("→ 2001:db8:85a3::7348:443", 15), "→ 2001:…348:443");
        assert_eq!(shorten("/system.slice/nginx.service", 16), "/system.…service");
        assert_eq!(shorten("abc", 1), "…");
        assert_eq!(shorten("abc", 0), "…");
        for width in 1..30 {
            let name = "日本日本日本日本日本日本-payments-gateway";
            assert!(shorten(name, width).width() <= width, "{width}");
        }
    }
}
