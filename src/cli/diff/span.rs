//! Which part of which recording.

use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};

use crate::cli::past::{resolve, time};

/// A part of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span {
    /// Intervals that end after the first time and not after the second, in nanoseconds since
    /// 1970.
    Between(Option<u64>, Option<u64>),
    /// The interval that ends with the last sample up to this time.
    At(u64),
}

/// A side as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) file: PathBuf,
    pub(super) span: Span,
}

impl Asked {
    /// Reads an argument; without a file it is of `other`.
    pub(super) fn read(text: &str, other: Option<&Path>) -> anyhow::Result<Self> {
        let whole = Span::Between(None, None);
        // A file may be called anything.
        let Some((file, span)) = text.rsplit_once('@').filter(|_| !Path::new(text).exists()) else {
            return Ok(Self { file: text.into(), span: whole });
        };
        let file = match (file, other) {
            ("", Some(other)) => other.to_owned(),
            ("", None) => bail!("{text}: the first side needs a file, as in FILE{text}"),
            (file, _) => file.into(),
        };
        let file: PathBuf = file;
        let parse = |part: &str| {
            time(part).map_err(|error| {
                anyhow!("{text}: {error}; a span of them is FROM..TO, with either end left out")
            })
        };
        let read = |part: &str| match part {
            "" => Ok(None),
            part => resolve(&file, parse(part)?).map(Some),
        };
        let span = match span.split_once("..") {
            Some((from, to)) => Span::Between(read(from)?, read(to)?),
            None => Span::At(resolve(&file, parse(span)?)?),
        };
        match span {
            Span::Between(Some(from), Some(to)) if from >= to => {
                bail!("{text}: nothing is between these times, the second of which is no later")
            }
            Span::Between(..) | Span::At(_) => Ok(Self { file, span }),
        }
    }
}

impl Span {
    /// When it ends, if it does before the recording.
    pub(super) fn end(self) -> Option<u64> {
        match self {
            Self::Between(_, to) => to,
            Self::At(time) => Some(time),
        }
    }

    /// Whether it holds an interval that ends at this time.
    pub(super) fn holds(self, end: u64) -> bool {
        match self {
            Self::Between(from, to) => {
                from.is_none_or(|from| end > from) && to.is_none_or(|to| end <= to)
            }
            Self::At(time) => end <= time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides() {
        let read = |text: &str| Asked::read(text, Some(Path::new("first"))).unwrap();
        let second = 1_000_000_000;
        for (text, file, span) in [
            ("a.zst", "a.zst", Span::Between(None, None)),
            ("a@b.zst@..1970-01-01T00:00:02Z", "a@b.zst", Span::Between(None, Some(2 * second))),
            ("@1970-01-01T00:00:01Z..", "first", Span::Between(Some(second), None)),
            (
                "x@1970-01-01T00:00:01Z..1970-01-01T00:00:02Z",
                "x",
                Span::Between(Some(second), Some(2 * second)),
            ),
            ("x@1970-01-01T00:00:01Z", "x", Span::At(second)),
            ("x@..", "x", Span::Between(None, None)),
        ] {
            assert_eq!(read(text), Asked { file: file.into(), span }, "{text}");
        }
        for (text, words) in [
            ("x@yesterday", "`yesterday` is no time"),
            ("x@1970-01-01T00:00:01Z..soon", "`soon` is no time"),
            ("x@1970-01-01T00:00:02Z..1970-01-01T00:00:01Z", "nothing is between"),
        ] {
            let error = Asked::read(text, None).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert!(Asked::read("@..", None).unwrap_err().to_string().contains("needs a file"));
    }

    #[test]
    fn each_interval_is_in_one_of_two_that_meet() {
        let (before, after) = (Span::Between(None, Some(5)), Span::Between(Some(5), None));
        for end in 0..10 {
            assert!(before.holds(end) != after.holds(end), "{end}");
        }
    }
}
