//! Text broken into lines.

use unicode_width::UnicodeWidthStr;

/// Text in fewer columns is unreadable.
const LEAST: usize = 20;

/// The words of `text` in lines of at most `width` columns; a longer word has its own line.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(LEAST);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.width() + 1 + word.width() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Items separated by commas, in lines of at most `width` columns; no item is broken.
pub fn fold(items: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let comma = if index + 1 < items.len() { "," } else { "" };
        match lines.last_mut() {
            Some(line) if line.width() + 1 + item.width() + comma.len() <= width => {
                line.push(' ');
                line.push_str(item);
                line.push_str(comma);
            }
            _ => lines.push(format!("{item}{comma}")),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        assert_eq!(wrap("", 40), Vec::<String>::new());
        assert_eq!(wrap("one two", 40), ["one two"]);
        assert_eq!(wrap("aaaa bbbb cccc dddd eeee", 20), ["aaaa bbbb cccc dddd", "eeee"]);
        let long = "x".repeat(50);
        assert_eq!(wrap(&format!("a {long} b"), 20), ["a", long.as_str(), "b"]);
        // Wide characters take two columns.
        assert_eq!(wrap("日本日本日 日本日本日", 20), ["日本日本日", "日本日本日"]);
    }

    #[test]
    fn items_stay_whole() {
        let items = ["java 3 (60%)", "→ mysql:3306 2 (40%)", "x"].map(str::to_owned);
        assert_eq!(fold(&items, 80), ["java 3 (60%), → mysql:3306 2 (40%), x"]);
        assert_eq!(fold(&items, 24), ["java 3 (60%),", "→ mysql:3306 2 (40%), x"]);
        assert_eq!(fold(&[], 24), Vec::<String>::new());
    }
}
