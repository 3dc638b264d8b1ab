//! A recording in many files, of which old ones are deleted.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::file::Output;
use super::naming::Naming;
use super::store_error::StoreError;
use super::{Entry, HostFacts, Kind, Reader};

/// When the next file is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotateAt {
    /// When the file has this age.
    Age(Duration),
    /// Before the file is larger than this.
    Size(u64),
}

/// Which files are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Those with samples of the last time of this length.
    Time(Duration),
    /// This number of files.
    Files(usize),
}

/// A file that should be deleted and could not be.
#[derive(Debug)]
pub struct DeleteFailure {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub error: std::io::Error,
}

/// The files of a recording.
#[derive(Debug)]
pub(super) struct Rotation {
    naming: Naming,
    rotate: RotateAt,
    retention: Option<Retention>,
    hostname: String,
    /// The file that is being written.
    pub(super) current: PathBuf,
    /// The file that is complete next.
    written: PathBuf,
    /// Complete files and their bytes, with those that were deleted.
    pub(super) finished: u64,
    pub(super) size: u64,
    /// Files that could not be deleted, which is reported once.
    undeletable: Vec<PathBuf>,
}

impl Rotation {
    /// Begins the first file.
    pub(super) fn begin(
        naming: Naming,
        rotate: RotateAt,
        retention: Option<Retention>,
        hostname: String,
    ) -> Result<(Self, Output), StoreError> {
        let (current, output) = naming.create(Timestamp::now())?;
        let rotation = Self {
            naming,
            rotate,
            retention,
            hostname,
            written: current.clone(),
            current,
            finished: 0,
            size: 0,
            undeletable: Vec::new(),
        };
        Ok((rotation, output))
    }

    /// Begins the next file.
    pub(super) fn next(&mut self) -> Result<Output, StoreError> {
        let (path, output) = self.naming.create(Timestamp::now())?;
        self.current = path;
        Ok(output)
    }

    /// The file before the current one is complete; at the end, the current one.
    pub(super) fn finish(&mut self) {
        let path = std::mem::replace(&mut self.written, self.current.clone());
        self.finished += 1;
        self.size += fs::metadata(path).map_or(0, |metadata| metadata.len());
    }

    /// Whether a file of this age, and of this size with one more sample, is full.
    pub(super) fn is_due(&self, age: Duration, size_then: u64) -> bool {
        match self.rotate {
            RotateAt::Age(time) => age >= time,
            RotateAt::Size(most) => size_then > most,
        }
    }

    /// Deletes the files that need not be kept: only those with such a name that are recordings of
    /// this host, and never the current one.
    pub(super) fn delete_expired(&mut self) -> Vec<DeleteFailure> {
        let mut failures = Vec::new();
        let Some(retention) = self.retention else { return failures };
        let Ok(entries) = fs::read_dir(self.naming.directory()) else { return failures };
        let mut files: Vec<(Timestamp, u32, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| {
                let (time, number) = self.naming.time_in(entry.file_name().to_str()?)?;
                Some((time, number, entry.path()))
            })
            .filter(|(.., path)| self.is_current(path) || self.is_ours(path))
            .collect();
        files.sort();
        for path in expired(&files, retention, Timestamp::now()) {
            if self.is_current(&path) || self.undeletable.contains(&path) {
                continue;
            }
            if let Err(error) = fs::remove_file(&path) {
                self.undeletable.push(path.clone());
                failures.push(DeleteFailure { path, error });
            }
        }
        failures
    }

    fn is_current(&self, path: &Path) -> bool {
        path.file_name() == self.current.file_name()
    }

    /// Whether a file is a recording of this host, and no link to another file.
    fn is_ours(&self, path: &Path) -> bool {
        if !path.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
            return false;
        }
        let Ok(file) = File::open(path) else { return false };
        let Ok(mut reader) = Reader::new(file) else { return false };
        match reader.read_entry() {
            Ok(Some(Entry::Note(note))) if note.kind == Kind::Host => {
                note.json::<HostFacts>().is_ok_and(|facts| facts.hostname == self.hostname)
            }
            _ => false,
        }
    }
}

/// The files that need not be kept, of these, oldest first. A file ends where the next begins.
fn expired(
    files: &[(Timestamp, u32, PathBuf)],
    retention: Retention,
    now: Timestamp,
) -> Vec<PathBuf> {
    let count = match retention {
        Retention::Files(most) => files.len().saturating_sub(most),
        Retention::Time(time) => {
            let Ok(oldest) = now.checked_sub(time) else { return Vec::new() };
            files.iter().skip(1).take_while(|(begun, ..)| *begun < oldest).count()
        }
    };
    files.iter().take(count).map(|(.., path)| path.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expired_files() {
        let time = |hour: u8| -> Timestamp { format!("2026-11-21T{hour:02}:00Z").parse().unwrap() };
        let files: Vec<_> =
            (0..6).map(|hour| (time(hour), 1, PathBuf::from(hour.to_string()))).collect();
        let expired_by = |retention| expired(&files, retention, time(6)).len();
        assert_eq!(expired_by(Retention::Files(2)), 4);
        assert_eq!(expired_by(Retention::Files(6)), 0);
        assert_eq!(expired_by(Retention::Files(60)), 0);
        // The file of hour 3 ends at 4, two hours before now.
        assert_eq!(expired_by(Retention::Time(Duration::from_secs(2 * 3600 - 1))), 4);
        assert_eq!(expired_by(Retention::Time(Duration::from_secs(2 * 3600))), 3);
        // The last one is the one that runs.
        assert_eq!(expired_by(Retention::Time(Duration::from_secs(1))), 5);
        assert_eq!(expired_by(Retention::Time(Duration::from_secs(1 << 40))), 0);
        assert_eq!(expired(&[], Retention::Files(1), time(6)), Vec::<PathBuf>::new());
    }
}
