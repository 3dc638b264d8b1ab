//! The reading of this user's last run, to show what changed since.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::error::HistoryError;
use super::reading::{HISTORY, Origin, Reading};
use super::state_directory::{prepare, state_directory};
use crate::counters::Counters;
use crate::monitor::CounterWatch;
use crate::procfs::Host;
use crate::sys::{NewFile, NewFileError};

/// A run holds the lock for a millisecond; one that was stopped meanwhile holds it forever.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// As of files that are created in general: the umask decides.
const MODE: u32 = 0o666;

/// Stores the last reading of a namespace for the next run of this user, and returns that of the
/// last one; see [`LastRun::exchange`].
///
/// # Errors
/// If the file cannot be used; it then remains unchanged.
pub fn exchange(
    watch: &CounterWatch,
    host: &Host,
    forget: bool,
) -> Result<Option<Reading>, HistoryError> {
    let last = LastRun::new(&state_directory()?, watch.namespace.inode);
    last.exchange(&Origin::of(watch, host), &watch.now, forget)
}

/// The file of one network namespace, in a directory of one user.
#[derive(Debug)]
pub struct LastRun {
    directory: PathBuf,
    path: PathBuf,
}

impl LastRun {
    /// In this directory, for the namespace with this inode.
    pub fn new(directory: &Path, netns: u64) -> Self {
        Self {
            directory: directory.to_owned(),
            path: directory.join(format!("counters-net{netns}.json")),
        }
    }

    /// Stores `counters` for the next run and returns those of the last one. `None` if there was
    /// none, if it was from another boot, or with `forget`.
    ///
    /// # Errors
    /// If the file cannot be used; it then remains unchanged.
    pub fn exchange(
        &self,
        origin: &Origin,
        counters: &Counters,
        forget: bool,
    ) -> Result<Option<Reading>, HistoryError> {
        prepare(&self.directory)?;
        let _locked = self.lock()?;
        let before = Reading::load(&self.path, HISTORY)?;
        // A reading lost in a crash belongs to a boot that is over: no need to sync to disk.
        replace(&self.path, &Reading::new(HISTORY, origin.clone(), counters), false)?;
        Ok(before.filter(|before| !forget && before.origin.is_same_namespace(origin)))
    }

    /// The lock is on the directory, because the file itself is replaced.
    fn lock(&self) -> Result<File, HistoryError> {
        let directory =
            File::open(&self.directory).map_err(HistoryError::io("open", &self.directory))?;
        let until = Instant::now() + LOCK_TIMEOUT;
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

/// Replaces a file atomically: readers see the old or the new content; with `lasting` also after a
/// crash.
pub(super) fn replace(path: &Path, reading: &Reading, lasting: bool) -> Result<(), HistoryError> {
    let text = reading.to_json().map_err(|error| HistoryError::io("write", path)(error.into()))?;
    let written = NewFile::create(path, true, MODE).and_then(|file| {
        let mut file = if lasting { file } else { file.transient() };
        file.write_all(&text)?;
        Ok(file.flush()?)
    });
    written.map_err(|error| match error {
        NewFileError::Io(source) => HistoryError::io("write", path)(source),
        error => HistoryError::Foreign { path: path.to_owned(), reason: error.to_string() },
    })
}
