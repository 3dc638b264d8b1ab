//! A counter's full name in parts, which are compared without joining them.

use std::fmt;

/// The parts of a name, as in the text of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct FullName<'a>(pub(super) [&'a str; 4]);

impl<'a> FullName<'a> {
    /// `TcpExt` and `TW` make `TcpExtTW`.
    pub(super) const fn grouped(group: &'a str, name: &'a str) -> Self {
        Self([group, name, "", ""])
    }

    /// Its bytes.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|piece| piece.len()).sum()
    }

    /// Whether the name is `full`. Called for every counter of a poll, so it must not allocate.
    pub(super) fn is(&self, full: &str) -> bool {
        let mut rest = Some(full);
        for piece in self.0 {
            rest = rest.and_then(|rest| rest.strip_prefix(piece));
        }
        rest == Some("")
    }
}

impl fmt::Display for FullName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| f.write_str(piece))
    }
}

/// One counter of a file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item<'a> {
    /// A name with the text of its value; `None` if there is no value for it.
    Named(FullName<'a>, Option<&'a str>),
    /// Text that is no name with a value.
    Malformed,
}

/// Reads a value as the kernel prints it.
///
/// Counters are unsigned, and `MaxConn` is signed. A gauge that is decremented on another CPU than it
/// was incremented on may be printed as an unsigned number just below 2^64, which is a small negative
/// one. No counter reaches 2^63.
pub(super) fn parse_value(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| text.parse::<u64>().ok().map(u64::cast_signed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparing_parts() {
        let name = FullName(["sockstat.", "TCP", ".", "mem"]);
        assert!(name.is("sockstat.TCP.mem"));
        assert!(!name.is("sockstat.TCP.memory"));
        assert!(!name.is("sockstat.TCP.me"));
        assert_eq!(name.to_string(), "sockstat.TCP.mem");
    }

    #[test]
    fn values() {
        for (text, wanted) in [
            ("0", Some(0)),
            ("-1", Some(-1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("18446744073709551615", Some(-1)),
            ("18446744073709551616", None),
            ("", None),
            ("1.5", None),
            ("0x1", None),
        ] {
            assert_eq!(parse_value(text), wanted, "{text}");
        }
    }
}
