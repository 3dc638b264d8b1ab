//! Splits an expression into tokens: brackets, operators, words and quotes.
//!
//! Whether a word is a keyword depends on its position, so the parser decides that.

use super::error::{Fault, Span};
use super::predicate::Comparison;

/// The kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `(`
    Open,
    /// `)`
    Close,
    /// `&`, `&&`
    And,
    /// `|`, `||`
    Or,
    /// `!`
    Not,
    /// `=`, `>=`, ...
    Comparison(Comparison),
    /// A run of anything else.
    Word,
    /// Text between quotes, which are not in the span.
    Quoted,
    /// The end of the text.
    End,
}

/// A token and its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Span,
}

/// The operators, longest first.
const SIGNS: [(&str, Kind); 14] = [
    ("&&", Kind::And),
    ("||", Kind::Or),
    ("==", Kind::Comparison(Comparison::Equal)),
    ("!=", Kind::Comparison(Comparison::Different)),
    (">=", Kind::Comparison(Comparison::AtLeast)),
    ("<=", Kind::Comparison(Comparison::AtMost)),
    ("&", Kind::And),
    ("|", Kind::Or),
    ("=", Kind::Comparison(Comparison::Equal)),
    (">", Kind::Comparison(Comparison::Greater)),
    ("<", Kind::Comparison(Comparison::Less)),
    ("!", Kind::Not),
    ("(", Kind::Open),
    (")", Kind::Close),
];

/// Splits a text. The last token is [`Kind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Fault> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        at += rest.len() - rest.trim_start().len();
        let Some(token) = token(text, at)? else { break };
        let quote = usize::from(token.kind == Kind::Quoted);
        at = token.span.end + quote;
        tokens.push(token);
    }
    // The position behind the last token, before any blanks.
    let end = text.trim_end().len();
    tokens.push(Token { kind: Kind::End, span: Span { start: end, end } });
    Ok(tokens)
}

/// The token at `at`.
fn token(text: &str, at: usize) -> Result<Option<Token>, Fault> {
    let rest = text.get(at..).unwrap_or_default();
    let Some(first) = rest.chars().next() else { return Ok(None) };
    let make = |kind, start, length| Token { kind, span: Span { start, end: start + length } };
    if let Some((sign, kind)) = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)) {
        return Ok(Some(make(*kind, at, sign.len())));
    }
    if is_quote(first) {
        let inner = rest.get(1..).unwrap_or_default();
        let Some(length) = inner.find(first) else {
            let span = Span { start: at, end: text.trim_end().len() };
            return Err(Fault::new(span, format!("the closing {first} is missing")));
        };
        return Ok(Some(make(Kind::Quoted, at + 1, length)));
    }
    let length = rest.find(ends_word).unwrap_or(rest.len());
    Ok(Some(make(Kind::Word, at, length)))
}

fn is_quote(character: char) -> bool {
    matches!(character, '"' | '\'')
}

fn ends_word(character: char) -> bool {
    character.is_whitespace() || is_quote(character) || "()=<>!&|".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        let tokens = tokens(text).unwrap();
        let (end, rest) = tokens.split_last().unwrap();
        assert_eq!(end.kind, Kind::End);
        rest.iter().map(|token| &text[token.span.start..token.span.end]).collect()
    }

    #[test]
    fn operators_need_no_blanks() {
        assert_eq!(split("rtt>50ms"), ["rtt", ">", "50ms"]);
        assert_eq!(split("sport=:80"), ["sport", "=", ":80"]);
        assert_eq!(split("a>=1&&!b||c!=2"), ["a", ">=", "1", "&&", "!", "b", "||", "c", "!=", "2"]);
        assert_eq!(split("( dst [::1]/64:22 )"), ["(", "dst", "[::1]/64:22", ")"]);
        assert_eq!(split("(a|b)&c"), ["(", "a", "|", "b", ")", "&", "c"]);
        assert_eq!(split("fwmark 0x01/0x03"), ["fwmark", "0x01/0x03"]);
        assert_eq!(split(" \t\n"), [""; 0]);
    }

    #[test]
    fn quotes() {
        assert_eq!(split("comm=\"Web Content\" x"), ["comm", "=", "Web Content", "x"]);
        assert_eq!(split("comm='a\"b'and"), ["comm", "=", "a\"b", "and"]);
        assert_eq!(split("''"), [""]);
        let fault = tokens("comm = 'java").unwrap_err();
        assert_eq!(
            fault.within("comm = 'java").to_string(),
            "the closing ' is missing\n  comm = 'java\n         ^^^^^"
        );
    }

    #[test]
    fn other_alphabets() {
        assert_eq!(split("comm = tōkyō\u{3000}and"), ["comm", "=", "tōkyō", "and"]);
    }
}
