//! A reading of the counters as it stands in a file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

use super::error::HistoryError;
use crate::counters::Counters;

/// Schema of what the last run left.
pub const HISTORY: &str = "tcpdiag.history/1";
/// Schema of a baseline.
pub const BASELINE: &str = "tcpdiag.baseline/1";

/// A reading has some 20 kB; what is far larger is not one.
const LARGEST: u64 = 4 << 20;

/// Where and when a reading was taken.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Origin {
    /// RFC 3339, UTC.
    pub captured_at: String,
    /// Seconds since the host started, suspended time included.
    pub uptime_s: f64,
    /// `uname -n`.
    pub hostname: String,
    /// `uname -r`.
    pub kernel: String,
    /// Changes with every boot.
    pub boot_id: Option<String>,
    /// Inode of the network namespace.
    pub netns: u64,
    /// Its name, if it has one.
    pub netns_name: Option<String>,
}

impl Origin {
    /// Whether counters of both come from the same boot and namespace, so that one is the
    /// other's past.
    pub fn is_same_place(&self, other: &Self) -> bool {
        self.boot_id.is_some() && self.boot_id == other.boot_id && self.netns == other.netns
    }
}

/// Counters with their origin.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Reading {
    /// What the file is.
    pub schema: String,
    /// Where it comes from.
    #[serde(flatten)]
    pub origin: Origin,
    /// Values by nstat's names.
    pub counters: BTreeMap<String, i64>,
}

impl Reading {
    /// What was just read, for a file of this schema.
    pub fn new(schema: &str, origin: Origin, counters: &Counters) -> Self {
        let counters = counters.iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { schema: schema.to_owned(), origin, counters }
    }

    /// The value of a counter.
    pub fn get(&self, name: &str) -> Option<i64> {
        self.counters.get(name).copied()
    }

    /// Reads a file that must be of this schema. `None` if there is no file, or an empty one:
    /// what a crash or `mktemp` leaves, with nothing in it to be lost.
    ///
    /// # Errors
    /// When it cannot be read, or is something else: a directory, a pipe, a link, damaged.
    pub(super) fn load(path: &Path, schema: &str) -> Result<Option<Self>, HistoryError> {
        let foreign = |reason: String| HistoryError::Foreign { path: path.to_owned(), reason };
        // Without NONBLOCK a pipe in its place would hold us up for ever.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(HistoryError::io("read", path)(error.into())),
        };
        let metadata = file.metadata().map_err(HistoryError::io("read", path))?;
        if !metadata.is_file() {
            return Err(foreign("not a regular file".to_owned()));
        }
        if metadata.len() > LARGEST {
            return Err(foreign("far too large".to_owned()));
        }
        let mut text = Vec::new();
        file.take(LARGEST).read_to_end(&mut text).map_err(HistoryError::io("read", path))?;
        if text.is_empty() {
            return Ok(None);
        }
        Self::parse(&text, schema).map(Some).map_err(foreign)
    }

    /// From the text of a file.
    fn parse(text: &[u8], schema: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Tag {
            schema: String,
        }
        let tag: Tag = serde_json::from_slice(text)
            .map_err(|_| "no JSON object with a `schema`, or a damaged one".to_owned())?;
        if tag.schema != schema {
            return Err(format!("its schema is {:?}, not {schema:?}", tag.schema));
        }
        let reading: Self =
            serde_json::from_slice(text).map_err(|error| format!("damaged: {error}"))?;
        if !(reading.origin.uptime_s.is_finite() && reading.origin.uptime_s >= 0.0) {
            return Err("damaged: its uptime is no time".to_owned());
        }
        Ok(reading)
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Ok(text)
    }
}
