//! Why recordings cannot be read together, or what is missing in them.

use std::io;
use std::path::PathBuf;

use super::when::local_time;
use super::{ReadError, Span};

/// Why a session of recordings cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No file or directory was named.
    #[error("no recording is named")]
    NoPath,
    /// A file or directory cannot be opened.
    #[error("cannot open {}", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not a recording, or has nothing in it.
    #[error("{}: {why}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        why: ReadError,
    },
    /// A directory has no recording in it.
    #[error("{}: no recording of tcpdiag in this directory{}", path.display(), others(*skipped))]
    EmptyDirectory {
        /// Which.
        path: PathBuf,
        /// Files in it that are something else.
        skipped: u64,
    },
    /// One of several files is a pipe or the like, which can be read only once.
    #[error("{}: not a regular file, so it cannot be read together with others", path.display())]
    NotAFile {
        /// Which.
        path: PathBuf,
    },
    /// Netlink messages in the file are in the other byte order.
    #[error("{}: recorded on a machine of the other byte order", path.display())]
    ByteOrder {
        /// Which.
        path: PathBuf,
    },
    /// Counters are needed, and a capture by another program has none.
    #[error(
        "{}: another program captured it, without counters; `tcpdiag conns` reads it",
        path.display()
    )]
    Capture {
        /// Which.
        path: PathBuf,
    },
    /// One of several files is a capture by another program.
    #[error(
        "{} is a recording of tcpdiag and {} a capture by another program: read one or the other",
        recording.display(),
        capture.display()
    )]
    Mixed {
        /// A recording.
        recording: PathBuf,
        /// A capture.
        capture: PathBuf,
    },
    /// Two files are from different hosts.
    #[error(
        "{} and {} are recordings of different hosts, {} and {}",
        paths.0.display(), paths.1.display(), hosts.0, hosts.1
    )]
    Hosts {
        /// Which.
        paths: (PathBuf, PathBuf),
        /// Their hosts.
        hosts: (String, String),
    },
    /// A host was booted between two files, so its counters and sockets begin anew.
    #[error(
        "{} and {} are recordings of different boots of {host}",
        paths.0.display(), paths.1.display()
    )]
    Boots {
        /// Which.
        paths: (PathBuf, PathBuf),
        /// The host.
        host: String,
    },
    /// The span ends before it begins.
    #[error("the span ends at {}, before it begins at {}", local_time(*to), local_time(*from))]
    Reversed {
        /// Its beginning, in nanoseconds since 1970.
        from: u64,
        /// Its end.
        to: u64,
    },
    /// A time is not in the recording.
    #[error("{name}: {}", outside(*time, (*is_before, *is_after), ranges))]
    OutOfRange {
        /// The recording.
        name: String,
        /// The time, in nanoseconds since 1970.
        time: u64,
        /// It is before the first sample.
        is_before: bool,
        /// It is after the last one.
        is_after: bool,
        /// The times of the first and the last sample, in each part in which the wall clock was not
        /// set.
        ranges: Vec<(u64, u64)>,
    },
    /// A relative time of a file that can be read only once.
    #[error(
        "{}: not a regular file, so times relative to its first or last sample are not known; give \
         an absolute one",
        path.display()
    )]
    ReadOnce {
        /// Which.
        path: PathBuf,
    },
    /// There is no sample in the span.
    #[error("{name}: {}", nothing(**span, *first))]
    Empty {
        /// The recording.
        name: String,
        /// The span.
        span: Box<Span>,
        /// When the first sample began, in nanoseconds since 1970.
        first: Option<u64>,
        /// What is wrong with the files, as far as they were read.
        damage: Vec<FileDamage>,
    },
    /// A namespace is not in the recording.
    #[error("network namespace {wanted}: not in the recording, which has {}", known.join(", "))]
    Namespace {
        /// Which.
        wanted: String,
        /// Those that are.
        known: Vec<String>,
    },
}

/// Damage of one file. What was read of it until there, and the files after it, are used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct FileDamage {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: ReadError,
}

/// Samples that were passed over because the file before has that time already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// The file.
    pub path: PathBuf,
    /// How many.
    pub samples: u64,
}

fn others(skipped: u64) -> String {
    match skipped {
        0 => String::new(),
        1 => ", but 1 other file".to_owned(),
        number => format!(", but {number} other files"),
    }
}

/// Why there is no sample in a span of recordings whose first sample began at `first`.
fn nothing(span: Span, first: Option<u64>) -> String {
    match (first, span.from, span.to) {
        (Some(first), from, Some(to)) if from.is_none() || to.realtime_ns < first => {
            format!("nothing before its first sample, of {}", local_time(first))
        }
        (Some(first), from, _) => {
            let from = local_time(from.map_or(first, |from| from.realtime_ns));
            format!("no whole sample from {from} on, its first is of {}", local_time(first))
        }
        (None, ..) => "no whole sample in it, nor a dump of TCP sockets".to_owned(),
    }
}

/// Why a time is not in a recording whose samples have these times.
fn outside(time: u64, (is_before, is_after): (bool, bool), ranges: &[(u64, u64)]) -> String {
    let first = ranges.first().map_or(0, |(first, _)| *first);
    let last = ranges.last().map_or(0, |(_, last)| *last);
    let why = match (is_before, is_after) {
        (true, _) => format!("nothing before its first sample, of {}", local_time(first)),
        (_, true) => {
            format!("nothing of {}: its last sample is of {}", local_time(time), local_time(last))
        }
        _ => format!("its wall clock never showed {}", local_time(time)),
    };
    let range =
        |(from, to): &(u64, u64)| format!("from {} to {}", local_time(*from), local_time(*to));
    let mut shown: Vec<String> = ranges.iter().take(MOST_RANGES).map(range).collect();
    if let Some(more @ 1..) = ranges.len().checked_sub(MOST_RANGES) {
        shown.push(format!("{more} more"));
    }
    format!("{why}; accepted are times {}", shown.join(", "))
}

/// Ranges that a message lists.
const MOST_RANGES: usize = 5;
