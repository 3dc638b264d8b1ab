//! Errors in an expression, and their position.

use unicode_width::UnicodeWidthStr;

use crate::text::escape::is_unsafe;

/// A range of an expression, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Start.
    pub start: usize,
    /// End, exclusive.
    pub end: usize,
}

impl Span {
    /// From the start of one to the end of the other.
    pub(super) fn to(self, end: Self) -> Self {
        Self { start: self.start, end: end.end }
    }
}

/// An expression with a syntax error. Its `Display` form has several lines: the error, the expression,
/// carets under the position, and what would have been accepted. Control characters are replaced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}\n{}{}", picture(.text, *.span), hint(.accepted))]
pub struct SyntaxError {
    /// The whole expression.
    pub text: String,
    /// The position of the error.
    pub span: Span,
    /// The error.
    pub message: String,
    /// What is accepted there, if the message does not say so.
    pub accepted: String,
}

/// A [`SyntaxError`] without its text.
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

/// `text` between backticks, without control characters.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = printable(text).take(LONGEST).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push_str("...");
    }
    format!("`{shown}`")
}

/// The characters, with control characters replaced so that each takes a column.
fn printable(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|character| match character {
        '\t' | '\n' | '\r' => ' ',
        character if is_unsafe(character) => '\u{fffd}',
        character => character,
    })
}

/// The expression with carets under `span`. A long expression is cut to the text around it.
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
    fn control_characters_are_replaced() {
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
