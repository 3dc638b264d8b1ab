//! The first two numbers of a kernel release.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A kernel series such as 6.12.
///
/// Distributions backport counters: a release is when a counter came to mainline. A given kernel has
/// the counter if its name is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Release {
    /// First number: 6 of 6.12.
    pub major: u16,
    /// Second number: 12 of 6.12.
    pub minor: u16,
}

/// The text does not begin with a kernel release.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a kernel release: {text:?} (wanted something like 6.12 or 6.12.107-cloud)")]
pub struct ParseReleaseError {
    /// The text.
    pub text: String,
}

impl Release {
    /// The release with these two numbers.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }
}

impl FromStr for Release {
    type Err = ParseReleaseError;

    /// Accepts what `uname -r` prints; everything behind the second number is ignored.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseReleaseError { text: text.to_owned() };
        let (major, rest) = text.trim().split_once('.').ok_or_else(error)?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let minor = rest.get(..end).ok_or_else(error)?;
        Ok(Self {
            major: major.parse().map_err(|_| error())?,
            minor: minor.parse().map_err(|_| error())?,
        })
    }
}

impl TryFrom<String> for Release {
    type Error = ParseReleaseError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Release> for String {
    fn from(release: Release) -> Self {
        release.to_string()
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_uname_prints() {
        for (text, wanted) in [
            ("3.10", Some(Release::new(3, 10))),
            ("3.10.0-1127.el7.x86_64", Some(Release::new(3, 10))),
            ("6.18.44-fc-v595", Some(Release::new(6, 18))),
            ("7.0-rc1", Some(Release::new(7, 0))),
            ("7.0\n", Some(Release::new(7, 0))),
            ("7", None),
            ("", None),
            ("a.b", None),
            ("6.", None),
            ("99999.1", None),
        ] {
            assert_eq!(text.parse::<Release>().ok(), wanted, "{text:?}");
        }
    }

    #[test]
    fn order_is_by_number_not_by_text() {
        assert!(Release::new(3, 10) < Release::new(3, 9 + 2));
        assert!(Release::new(4, 20) < Release::new(5, 0));
    }
}
