//! The text of a counter file without its values.
//!
//! The kernel prints the same names in the same order each time. Comparing the text between the values
//! with that of the sample before takes a tenth of the time of reading each name, for every format.

use super::full_name::{Item, parse_value};

/// The text of a file, cut at its values.
#[derive(Debug, Default)]
pub(super) struct Template {
    text: String,
    /// Where in `text` the part before each value ends. The last part is behind all values.
    ends: Vec<usize>,
}

impl Template {
    /// Cuts a text at the values that `visit` finds. A text with errors has no template: it is then
    /// read name by name each time, and its errors are counted.
    pub(super) fn learn<'t>(
        text: &'t str,
        visit: impl FnOnce(&'t str, &mut dyn FnMut(Item<'t>)),
    ) -> Self {
        let mut template = Self::default();
        let mut at = Some(0);
        visit(text, &mut |item| {
            at = at.and_then(|from| template.cut(text, from, item));
        });
        match at.and_then(|from| text.get(from..)) {
            Some(tail) if !template.ends.is_empty() => template.text.push_str(tail),
            _ => return Self::default(),
        }
        template
    }

    /// Keeps the text between `from` and an item's value, and returns where the value ends.
    fn cut(&mut self, text: &str, from: usize, item: Item<'_>) -> Option<usize> {
        let Item::Named(_, value) = item else { return None };
        parse_value(value?)?;
        // A value is a part of the text, so its position follows from its address.
        let start = value?.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
        self.text.push_str(text.get(from..start)?);
        self.ends.push(self.text.len());
        Some(start + value?.len())
    }

    /// Appends the values of a text to `into`. `false`, without a change to `into`, if the text
    /// differs in anything else.
    pub(super) fn read(&self, text: &str, into: &mut Vec<Option<i64>>) -> bool {
        let before = into.len();
        let known = !self.ends.is_empty() && self.fill(text.as_bytes(), into).is_some();
        if !known {
            into.truncate(before);
        }
        known
    }

    fn fill(&self, text: &[u8], into: &mut Vec<Option<i64>>) -> Option<()> {
        let pieces = self.text.as_bytes();
        let (mut from, mut rest) = (0, text);
        for &end in &self.ends {
            rest = strip(rest, pieces.get(from..end)?)?;
            let (value, behind) = leading_value(rest)?;
            into.push(Some(value));
            (from, rest) = (end, behind);
        }
        (rest == pieces.get(from..)?).then_some(())
    }
}

/// As `strip_prefix`, but fast where the prefix is the space between two values.
fn strip<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    match (prefix, text) {
        ([one], [first, rest @ ..]) => (one == first).then_some(rest),
        _ => text.strip_prefix(prefix),
    }
}

/// The number at the start of a text, and the rest.
fn leading_value(text: &[u8]) -> Option<(i64, &[u8])> {
    /// This many digits always fit.
    const SAFE: usize = 18;
    let mut value = 0;
    let mut digits = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        digits += 1;
        if digits > SAFE {
            return long_value(text);
        }
        value = value * 10 + i64::from(digit);
    }
    if digits == 0 {
        return long_value(text);
    }
    Some((value, text.get(digits..)?))
}

/// As [`leading_value`], for a sign or very many digits.
fn long_value(text: &[u8]) -> Option<(i64, &[u8])> {
    let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    let (value, behind) = text.split_at_checked(end)?;
    Some((parse_value(std::str::from_utf8(value).ok()?)?, behind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::{snmp, snmp6};

    const PAIRS: &str = "Tcp: MaxConn InSegs\nTcp: -1 7\nUdp: Out7\nUdp: 3\n";

    fn read(text: &str) -> Option<Vec<i64>> {
        let mut values = vec![Some(9)];
        let known = Template::learn(PAIRS, snmp::visit).read(text, &mut values);
        assert!(known || values == [Some(9)], "{text:?} left {values:?}");
        known.then(|| values.split_off(1).into_iter().flatten().collect())
    }

    #[test]
    fn only_values_differ() {
        for (values, wanted) in [
            (["-1", "7", "3"], [-1, 7, 3]),
            (["0", "18446744073709551615", "44"], [0, -1, 44]),
            (
                ["9223372036854775807", "999999999999999999", "1"],
                [i64::MAX, 999_999_999_999_999_999, 1],
            ),
        ] {
            let [a, b, c] = values;
            let text = format!("Tcp: MaxConn InSegs\nTcp: {a} {b}\nUdp: Out7\nUdp: {c}\n");
            assert_eq!(read(&text).as_deref(), Some(wanted.as_slice()), "{text:?}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "Tcp: MaxConn InSegs\nTcp: -1 7\n",
            "Tcp: MaxConn OutSegs\nTcp: -1 7\nUdp: Out7\nUdp: 3\n",
            "Tcp: MaxConn InSegs\nTcp: -1\nUdp: Out7\nUdp: 3\n",
            "Tcp: MaxConn InSegs\nTcp: -1 7 8\nUdp: Out7\nUdp: 3\n",
            "Tcp: MaxConn InSegs\nTcp: -1 x\nUdp: Out7\nUdp: 3\n",
            "Tcp: MaxConn InSegs\nTcp: -1 7x\nUdp: Out7\nUdp: 3\n",
            "Tcp: MaxConn InSegs\nTcp: -1 99999999999999999999\nUdp: Out7\nUdp: 3\n",
            "Tcp: MaxConn InSegs\nTcp: -1 7\nUdp: Out7\nUdp: 3",
            "Tcp: MaxConn InSegs\nTcp: -1 7\nUdp: Out7\nUdp: 3\nIcmp: A\nIcmp: 1\n",
            "Tcp: MaxConn InSegs\nUdp: -1 7\nUdp: Out7\nUdp: 3\n",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_text_with_errors_has_no_template() {
        for text in ["", "Tcp: A\nTcp: 1 2\n", "Tcp: A B\nTcp: 1\n", "Tcp: A\n", "Tcp: A\nTcp: x\n"]
        {
            assert!(!Template::learn(text, snmp::visit).read(text, &mut Vec::new()), "{text:?}");
        }
    }

    #[test]
    fn digits_of_a_name_are_not_a_value() {
        let text = "Icmp6OutType133      \t1\nIcmp6OutType134      \t22\n";
        let mut values = Vec::new();
        assert!(Template::learn(text, snmp6::visit).read(text, &mut values));
        assert_eq!(values, [Some(1), Some(22)]);
        let other = text.replace("133", "135");
        assert!(!Template::learn(text, snmp6::visit).read(&other, &mut values));
    }
}
