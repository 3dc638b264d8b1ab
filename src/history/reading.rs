//! A reading of the counters as stored in a file.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::HistoryError;
use crate::counters::Counters;
use crate::monitor::CounterWatch;
use crate::procfs::Host;
use crate::sys::{RegularFileError, read_regular_file};

/// Schema of the last run's file.
pub const HISTORY: &str = "tcpdiag.history/1";
/// Schema of a baseline.
pub const BASELINE: &str = "tcpdiag.baseline/1";

/// A reading takes some 20 kB; a much larger file is something else.
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
    /// Different after every boot.
    pub boot_id: Option<String>,
    /// Inode of the network namespace.
    pub netns: u64,
    /// Its name, if it has one.
    pub netns_name: Option<String>,
}

impl Origin {
    /// Of the last reading of these counters.
    pub fn of(watch: &CounterWatch, host: &Host) -> Self {
        Self {
            captured_at: watch.at.captured_at.clone(),
            uptime_s: watch.at.uptime.as_secs_f64(),
            hostname: host.hostname.clone(),
            kernel: host.kernel.clone(),
            boot_id: host.boot_id.clone(),
            netns: watch.namespace.inode,
            netns_name: watch.namespace.name.clone(),
        }
    }

    /// Whether both readings come from the same boot and namespace, so that counters can be
    /// subtracted.
    pub fn is_same_namespace(&self, other: &Self) -> bool {
        self.boot_id.is_some() && self.boot_id == other.boot_id && self.netns == other.netns
    }
}

/// Counters with their origin.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Reading {
    /// The schema.
    pub schema: String,
    /// The origin.
    #[serde(flatten)]
    pub origin: Origin,
    /// Values by nstat's name.
    pub counters: BTreeMap<String, i64>,
}

impl Reading {
    /// From counters that were just read, for a file with this schema.
    pub fn new(schema: &str, origin: Origin, counters: &Counters) -> Self {
        let counters = counters.iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { schema: schema.to_owned(), origin, counters }
    }

    /// The value of a counter.
    pub fn get(&self, name: &str) -> Option<i64> {
        self.counters.get(name).copied()
    }

    /// Reads a file that must have this schema. `None` if there is no file, or an empty one, as a
    /// crash or `mktemp` leaves it.
    ///
    /// # Errors
    /// If it cannot be read, or is something else: a directory, a pipe, a link, damaged.
    pub(super) fn load(path: &Path, schema: &str) -> Result<Option<Self>, HistoryError> {
        let foreign = |reason: String| HistoryError::Foreign { path: path.to_owned(), reason };
        let text = match read_regular_file(path, LARGEST) {
            Ok(text) => text,
            Err(error) if error.is_missing() => return Ok(None),
            Err(RegularFileError::Io(error)) => return Err(HistoryError::io("read", path)(error)),
            Err(error) => return Err(foreign(error.to_string())),
        };
        if text.is_empty() {
            return Ok(None);
        }
        Self::parse(&text, schema).map(Some).map_err(foreign)
    }

    /// Parses the content of a file.
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
