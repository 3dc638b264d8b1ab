//! Names chosen by processes and cgroups must not control a terminal or forge rows. Control,
//! direction and invisible characters are written as escapes.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character can do more than appear.
pub fn is_unsafe(character: char) -> bool {
    matches!(
        character,
        '\u{0}'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// The text with unsafe characters as `\x1b` or `\u{202e}`.
pub fn text(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        // Writing to a String cannot fail.
        let _ = match character {
            '\n' => write!(safe, "\\n"),
            '\t' => write!(safe, "\\t"),
            '\r' => write!(safe, "\\r"),
            character if is_unsafe(character) && (character as u32) < 0x100 => {
                write!(safe, "\\x{:02x}", character as u32)
            }
            character if is_unsafe(character) => write!(safe, "\\u{{{:x}}}", character as u32),
            character => write!(safe, "{character}"),
        };
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_control_characters() {
        assert_eq!(text("java"), "java");
        assert_eq!(text("naïve-日本"), "naïve-日本");
        assert_eq!(text("a\x1b[31mb\n"), "a\\x1b[31mb\\n");
        assert_eq!(text("a\u{202e}b\u{9b}"), "a\\u{202e}b\\x9b");
    }
}
