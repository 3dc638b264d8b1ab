//! Names chosen by processes, cgroups and files must not control a terminal or forge rows. Control,
//! direction and invisible characters are written as escapes, and texts are bounded.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character can do more than appear: control characters (Unicode category Cc), marks of
/// direction (Bidi_Control), and characters that take no space (Default_Ignorable_Code_Point,
/// without the variation selectors of emoji).
pub fn is_unsafe(character: char) -> bool {
    matches!(
        character,
        '\u{0}'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// The text with unsafe characters as `\x1b` or `\u{202e}`. Escaping twice changes nothing.
pub fn text(text: &str) -> Cow<'_, str> {
    if is_printable(text) || !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    text.chars().for_each(|character| push(&mut safe, character));
    Cow::Owned(safe)
}

/// The same in at most `most` characters; what is cut off is replaced by `…`.
pub fn bounded(text: &str, most: usize) -> Cow<'_, str> {
    // No text has more characters than bytes.
    if text.len() <= most && is_printable(text) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::new();
    let mut length = 0;
    for character in text.chars() {
        let start = safe.len();
        push(&mut safe, character);
        // Escapes are ASCII.
        length += if is_unsafe(character) { safe.len() - start } else { 1 };
        if length > most {
            safe.truncate(start);
            safe.push('…');
            break;
        }
    }
    Cow::Owned(safe)
}

/// Whether all of it is printable ASCII, as nearly every text is.
fn is_printable(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}

fn push(safe: &mut String, character: char) {
    // Writing to a String cannot fail.
    let _ = match character {
        '\n' => write!(safe, "\\n"),
        '\t' => write!(safe, "\\t"),
        '\r' => write!(safe, "\\r"),
        character if is_unsafe(character) && (character as u32) < 0x100 => {
            write!(safe, "\\x{:02x}", character as u32)
        }
        character if is_unsafe(character) => write!(safe, "\\u{{{:x}}}", character as u32),
        character => {
            safe.push(character);
            Ok(())
        }
    };
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
        assert_eq!(text("\u{3164}\u{1160}\u{e0041}"), "\\u{3164}\\u{1160}\\u{e0041}");
        let once = text("a\x1b\\x1b").into_owned();
        assert_eq!(text(&once), once);
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(bounded("java", 4), "java");
        assert_eq!(bounded("javac", 4), "java…");
        assert_eq!(bounded("日本日本", 4), "日本日本");
        assert_eq!(bounded("日本日本日", 4), "日本日本…");
        // An escape is not cut in the middle.
        assert_eq!(bounded("ab\x1b", 6), "ab\\x1b");
        assert_eq!(bounded("ab\x1bc", 5), "ab…");
        let long = "\u{202e}".repeat(10_000);
        assert!(bounded(&long, 100).chars().count() <= 101);
    }
}
