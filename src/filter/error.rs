//! Why an expression is refused, and where.
//!
//! Knows how to point at a place in a line. Knows no grammar.

use unicode_width::UnicodeWidthStr;

/// A part of an expression, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Where it begins.
    pub start: usize,
    /// Just behind its end.
    pub end: usize,
}

impl Span {
    /// From the start of one to the end of the other.
    pub(super) fn to(self, end: Self) -> Self {
        Self { start: self.start, end: end.end }
    }
}

/// An expression that cannot be understood. Its `Display` form has several
/// lines: what is wrong, the expression, a caret under the place, and what
/// would have been accepted. Characters that a terminal would act on are
/// replaced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}\n{}{}", picture(.text, *.span), hint(.accepted))]
pub struct SyntaxError {
    /// The whole expression.
    pub text: String,
    /// The place.
    pub span: Span,
    /// What is wrong with it.
    pub message: String,
    /// What is accepted there; empty where the message says it all.
    pub accepted: String,
}

/// A [`SyntaxError`] to be, before it meets its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    span: Span,
    message: String,
    accepted: String,
}

impl Fault {
    pub(super) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), accepted: String::new() }
    }

    /// Adds what is accepted there.
    pub(super) fn accepting(self, accepted: impl Into<String>) -> Self {
        Self { accepted: accepted.into(), ..self }
    }

    pub(super) fn within(self, text: &str) -> SyntaxError {
        let Self { span, message, accepted } = self;
        SyntaxError { text: text.to_owned(), span, message, accepted }
    }
}

/// `text` between backticks, fit to be printed.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = printable(text).take(LONGEST).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push_str("...");
    }
    format!("`{shown}`")
}

/// One column or more for each character, none of which moves the cursor.
fn printable(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|character| match character {
        '\t' | '\n' | '\r' => ' ',
        // Marks that reorder what follows them.
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        character if character.is_control() => '\u{fffd}',
        character => character,
    })
}

/// The expression and carets under `span`. Of a long expression only the
/// surroundings of the place are shown.
fn picture(text: &str, span: Span) -> String {
    const BEFORE: usize = 48;
    const MARKED: usize = 60;
    const AFTER: usize = 24;
    let part = |range: std::ops::Range<usize>| -> Vec<char> {
        printable(text.get(range).unwrap_or_default()).collect()
    };
    let before = part(0..span.start);
    let marked = part(span.start..span.end);
    let after = part(span.end..text.len());

    let mut lead = String::new();
    if before.len() > BEFORE {
        lead.push_str("...");
    }
    lead.extend(before.iter().skip(before.len().saturating_sub(BEFORE)));
    let mut middle: String = marked.iter().take(MARKED).collect();
    let mut tail: String = after.iter().take(AFTER).collect();
    if marked.len() > MARKED {
        middle.push_str("...");
        tail.clear();
    } else if after.len() > AFTER {
        tail.push_str("...");
    }
    let carets = "^".repeat(middle.width().max(1));
    format!("  {}\n  {}{carets}", format!("{lead}{middle}{tail}").trim_end(), blank(&lead))
}

fn blank(lead: &str) -> String {
    " ".repeat(lead.width())
}

fn hint(accepted: &str) -> String {
    if accepted.is_empty() { String::new() } else { format!("\n  accepted: {accepted}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, start: usize, end: usize) -> String {
        Fault::new(Span { start, end }, "wrong").within(text).to_string()
    }

    #[test]
    fn points_by_columns() {
        assert_eq!(shown("rrt > 50ms", 0, 3), "wrong\n  rrt > 50ms\n  ^^^");
        assert_eq!(shown("comm = 東京 x", 14, 15), "wrong\n  comm = 東京 x\n              ^");
        assert_eq!(shown("rtt >", 5, 5), "wrong\n  rtt >\n       ^");
        assert_eq!(shown("", 0, 0), "wrong\n  \n  ^");
    }

    #[test]
    fn shows_nothing_a_terminal_acts_on() {
        assert_eq!(
            shown("a\u{1b}[2J\n\u{202e}b", 9, 10),
            "wrong\n  a\u{fffd}[2J \u{fffd}b\n         ^"
        );
    }

    #[test]
    fn shortens() {
        let text = format!("{} here {}", "x".repeat(500), "y".repeat(500));
        let shown = shown(&text, 501, 505);
        assert!(shown.lines().all(|line| line.len() < 90), "{shown}");
        assert!(shown.contains(" here y"));
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[1].find("here"), lines[2].find('^'));
        assert_eq!(lines[2].trim(), "^^^^");
    }
}
