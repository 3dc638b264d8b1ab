//! Which recordings a side is of, and which part of them.

use std::path::{Path, PathBuf};

use super::Span;
use crate::recording::{self, Mark, Session, SessionError, SessionOptions, When, parse_time};

/// A side as requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideSource {
    /// A recording, or a directory of them.
    pub path: PathBuf,
    /// The part of it.
    pub span: Span<When>,
}

/// Why a side cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SideError {
    /// The first side names no file.
    #[error("{0}: the first side needs a file, as in FILE{0}")]
    NoFile(String),
    /// A time cannot be read.
    #[error("{text}: {why}; a span of them is FROM..TO, with either end left out")]
    Time {
        /// The side as it was given.
        text: String,
        /// What is accepted.
        why: String,
    },
    /// The span is empty.
    #[error("{}: nothing is between these times, the second of which is no later", .0.display())]
    Empty(PathBuf),
    /// The recordings cannot be opened.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl SideSource {
    /// Reads `FILE`, `FILE@FROM..TO` or `FILE@TIME`; without a file it is of `other`.
    ///
    /// # Errors
    /// When a time cannot be read, or there is no file.
    pub fn parse(text: &str, other: Option<&Path>) -> Result<Self, SideError> {
        let whole = Span::Between(None, None);
        // A file may have any name.
        let Some((path, span)) = text.rsplit_once('@').filter(|_| !Path::new(text).exists()) else {
            return Ok(Self { path: text.into(), span: whole });
        };
        let path: PathBuf = match (path, other) {
            ("", Some(other)) => other.to_owned(),
            ("", None) => return Err(SideError::NoFile(text.to_owned())),
            (path, _) => path.into(),
        };
        let parse = |part: &str| {
            parse_time(part).map_err(|why| SideError::Time { text: text.to_owned(), why })
        };
        let read = |part: &str| match part {
            "" => Ok(None),
            part => parse(part).map(Some),
        };
        let span = match span.split_once("..") {
            Some((from, to)) => Span::Between(read(from)?, read(to)?),
            None => Span::At(parse(span)?),
        };
        Ok(Self { path, span })
    }

    /// Opens the recordings, with the absolute times of the span.
    ///
    /// # Errors
    /// When they cannot be opened, or the span is empty.
    pub fn open(&self, netns: &[String]) -> Result<(Session, Span<Mark>), SideError> {
        let (from, to, at) = match self.span {
            Span::Between(from, to) => (from, to, None),
            Span::At(time) => (None, None, Some(time)),
        };
        let options = SessionOptions {
            namespaces: netns.to_vec(),
            from,
            to,
            at,
            // Growth needs the samples before.
            lead_in: true,
            counters: false,
        };
        let empty = || SideError::Empty(self.path.clone());
        let session = match Session::open(std::slice::from_ref(&self.path), &options) {
            Err(SessionError::Reversed { .. }) => return Err(empty()),
            session => session?,
        };
        let span = match (self.span, session.span()) {
            (Span::At(_), recording::Span { to: Some(time), .. }) => Span::At(time),
            (_, recording::Span { from, to }) => Span::Between(from, to),
        };
        match span {
            Span::Between(Some(from), Some(to)) if from == to => Err(empty()),
            span => Ok((session, span)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn sides() {
        let read = |text: &str| SideSource::parse(text, Some(Path::new("first"))).unwrap();
        let (one, two) = (When::At(1_000_000_000), When::At(2_000_000_000));
        let minute = Duration::from_secs(60);
        for (text, path, span) in [
            ("a.zst", "a.zst", Span::Between(None, None)),
            ("a@b.zst@..1970-01-01T00:00:02Z", "a@b.zst", Span::Between(None, Some(two))),
            ("@1970-01-01T00:00:01Z..", "first", Span::Between(Some(one), None)),
            (
                "x@1970-01-01T00:00:01Z..1970-01-01T00:00:02Z",
                "x",
                Span::Between(Some(one), Some(two)),
            ),
            ("x@1970-01-01T00:00:01Z", "x", Span::At(one)),
            ("x@..", "x", Span::Between(None, None)),
            (
                "x@+1m..-1m",
                "x",
                Span::Between(Some(When::AfterFirst(minute)), Some(When::BeforeLast(minute))),
            ),
        ] {
            assert_eq!(read(text), SideSource { path: path.into(), span }, "{text}");
        }
        for (text, words) in [
            ("x@yesterday", "`yesterday` is no time"),
            ("x@1970-01-01T00:00:01Z..soon", "`soon` is no time"),
        ] {
            let error = SideSource::parse(text, None).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert!(SideSource::parse("@..", None).unwrap_err().to_string().contains("needs a file"));
    }
}
