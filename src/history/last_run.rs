//! What the last run of this user saw, so that this one can say what changed since.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::error::HistoryError;
use super::reading::{HISTORY, Origin, Reading};
use super::state_directory::prepare;
use crate::counters::Counters;

/// Another run holds the lock for a millisecond; one that was stopped inside, for ever.
const PATIENCE: Duration = Duration::from_secs(1);

/// The file of one network namespace, in a directory of one user.
#[derive(Debug)]
pub struct LastRun {
    directory: PathBuf,
    path: PathBuf,
}

impl LastRun {
    /// In this directory, for the namespace of this inode.
    pub fn new(directory: &Path, netns: u64) -> Self {
        Self {
            directory: directory.to_owned(),
            path: directory.join(format!("counters-net{netns}.json")),
        }
    }

    /// Leaves `counters` for the next run and hands back what the last one left. `None` if that
    /// was of another boot or there was none; with `forget` too.
    ///
    /// # Errors
    /// When the file cannot be used; then it is as it was.
    pub fn exchange(
        &self,
        origin: &Origin,
        counters: &Counters,
        forget: bool,
    ) -> Result<Option<Reading>, HistoryError> {
        prepare(&self.directory)?;
        let _locked = self.lock()?;
        let before = Reading::load(&self.path, HISTORY)?;
        // A reading that a crash loses is of a boot that is over: no need to wait for the disk.
        replace(&self.path, &Reading::new(HISTORY, origin.clone(), counters), false)?;
        Ok(before.filter(|before| !forget && before.origin.is_same_place(origin)))
    }

    /// The lock is on the directory, as the file is replaced by another one.
    fn lock(&self) -> Result<File, HistoryError> {
        let directory =
            File::open(&self.directory).map_err(HistoryError::io("open", &self.directory))?;
        let until = Instant::now() + PATIENCE;
        loop {
            match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(directory),
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    return Err(HistoryError::Busy { path: self.directory.clone() });
                }
                Err(error) => {
                    return Err(HistoryError::io("lock", &self.directory)(error.into()));
                }
            }
        }
    }
}

/// Writes a file so that there is always the old one or the new one, whole; `lasting` also
/// after a crash.
pub(super) fn replace(path: &Path, reading: &Reading, lasting: bool) -> Result<(), HistoryError> {
    let text = reading.to_json().map_err(|error| HistoryError::io("write", path)(error.into()))?;
    let temporary = path.with_extension(format!("tmp{}", std::process::id()));
    let written = File::options()
        .write(true)
        .create_new(true)
        .open(&temporary)
        .and_then(|mut file| {
            file.write_all(&text)?;
            if lasting { file.sync_data() } else { Ok(()) }
        })
        .and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|source| {
        // It is ours, made above; if that failed there is none.
        if source.kind() != std::io::ErrorKind::AlreadyExists {
            let _ = std::fs::remove_file(&temporary);
        }
        HistoryError::io("write", path)(source)
    })
}
