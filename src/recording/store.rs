//! Where a run's recording goes: one file, many, or memory until it is asked for.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::file::Output;
use super::naming::Naming;
use super::preamble::Preamble;
use super::ring::{Ring, Segment};
use super::rotation::{DeleteFailure, Retention, RotateAt, Rotation};
use super::store_error::StoreError;
use super::totals::{EndReason, RecordedTotals};
use super::{Compression, Kind, join};
use crate::procfs::NetNamespace;
use crate::sys::Clocks;

/// Where a recording goes, as the user asks.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The file; with [`StoreMode::Rotate`] a time goes into its name.
    pub path: PathBuf,
    /// Overwrite an existing file.
    pub force: bool,
    /// How files are compressed.
    pub compression: Compression,
    /// How many files there are.
    pub mode: StoreMode,
}

/// How many files a recording has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreMode {
    /// One.
    One,
    /// Many, one after the other.
    Rotate {
        /// When the next one is begun.
        at: RotateAt,
        /// Which are kept; all of them by default.
        retention: Option<Retention>,
    },
    /// None until [`Store::write_ring`]: the last time is kept in memory.
    Ring {
        /// The time that is kept.
        span: Duration,
        /// The most bytes that are kept.
        most: u64,
    },
}

/// Where a recording goes.
#[derive(Debug)]
pub struct Store {
    options: StoreOptions,
    files: Files,
}

#[derive(Debug)]
enum Files {
    One,
    Rotation(Box<Rotation>),
    Ring(Ring),
}

/// What was written of a ring.
#[derive(Debug)]
pub struct WrittenRing {
    /// The file.
    pub path: PathBuf,
    /// The time that it holds.
    pub time: Duration,
    /// Its samples.
    pub samples: u64,
    /// Its bytes.
    pub size: u64,
}

impl Store {
    /// Opens it; returns where the first bytes go.
    ///
    /// # Errors
    /// When a file exists, or cannot be created.
    pub fn open(options: StoreOptions, preamble: &Preamble) -> Result<(Self, Output), StoreError> {
        let path = &options.path;
        let (files, output) = match options.mode {
            StoreMode::One => (Files::One, Output::create(path, options.force)?),
            StoreMode::Rotate { at, retention } => {
                let naming = Naming::of(path)?;
                let (rotation, output) = Rotation::begin(naming, at, retention, preamble.facts())?;
                (Files::Rotation(rotation.into()), output)
            }
            StoreMode::Ring { span, most } => {
                // Whatever would fail when the ring is written fails now.
                let naming = Naming::of(path)?;
                let directory = naming.directory();
                if !directory.metadata().is_ok_and(|metadata| metadata.is_dir()) {
                    return Err(StoreError::Directory { path: directory.to_owned() });
                }
                match path.symlink_metadata() {
                    Ok(_) if !options.force => {
                        return Err(StoreError::Exists { path: path.clone() });
                    }
                    Ok(old) if old.is_symlink() => {
                        return Err(StoreError::Link { path: path.clone() });
                    }
                    _ => {}
                }
                (Files::Ring(Ring::new(span, most)), Output::Memory(Vec::new()))
            }
        };
        Ok((Self { options, files }, output))
    }

    /// The file that is being written, or will be.
    pub fn path(&self) -> &Path {
        match &self.files {
            Files::One | Files::Ring(_) => &self.options.path,
            Files::Rotation(rotation) => &rotation.current,
        }
    }

    /// Whether there is one file, which is written from the start.
    pub fn is_one_file(&self) -> bool {
        matches!(self.files, Files::One)
    }

    /// Whether it is a ring.
    pub fn is_ring(&self) -> bool {
        matches!(self.files, Files::Ring(_))
    }

    /// Complete files so far, with those that were deleted; of a ring, those that were written.
    pub fn finished_files(&self) -> u64 {
        match &self.files {
            Files::One => 0,
            Files::Rotation(rotation) => rotation.finished,
            Files::Ring(ring) => ring.writings,
        }
    }

    /// Bytes of the complete files of a rotation, with those that were deleted.
    pub fn finished_size(&self) -> u64 {
        match &self.files {
            Files::One | Files::Ring(_) => 0,
            Files::Rotation(rotation) => rotation.size,
        }
    }

    /// When the oldest segment of a ring began, and the bytes of all complete ones.
    pub fn kept(&self) -> Option<(Option<Instant>, u64)> {
        match &self.files {
            Files::One | Files::Rotation(_) => None,
            Files::Ring(ring) => Some(ring.kept()),
        }
    }

    /// How the output is compressed. Memory is compressed however the file is to be.
    pub fn compression(&self) -> Compression {
        if self.is_ring() { Compression::Zstd } else { self.options.compression }
    }

    /// Whether a file or segment of this age, and of this size with one more sample, is full.
    pub fn is_due(&self, age: Duration, size: u64) -> bool {
        match &self.files {
            Files::One => false,
            Files::Rotation(rotation) => rotation.is_due(age, size),
            Files::Ring(ring) => ring.is_due(age, size),
        }
    }

    /// Begins the next file or segment.
    ///
    /// # Errors
    /// When the file cannot be created, or there is one file only.
    pub fn begin_next(&mut self) -> Result<Output, StoreError> {
        match &mut self.files {
            Files::One => Err(StoreError::OneFile),
            Files::Rotation(rotation) => rotation.next(Clocks::now()),
            Files::Ring(_) => Ok(Output::Memory(Vec::new())),
        }
    }

    /// A file or segment is complete: the latter's bytes, what they hold, and when it began.
    pub fn finished(&mut self, bytes: Vec<u8>, totals: RecordedTotals, begun: Instant) {
        match &mut self.files {
            Files::One => {}
            Files::Rotation(rotation) => rotation.finish(),
            Files::Ring(ring) => {
                ring.push(Segment { bytes, begun, ended: Instant::now(), totals });
            }
        }
    }

    /// Deletes files that need not be kept; returns those that could not be deleted, once each.
    pub fn delete_expired(&mut self) -> Vec<DeleteFailure> {
        match &mut self.files {
            Files::One | Files::Ring(_) => Vec::new(),
            Files::Rotation(rotation) => rotation.delete_expired(Clocks::now()),
        }
    }

    /// Whether a trigger may write the ring: once in the time that is kept.
    pub fn allows_trigger(&mut self, now: Instant) -> bool {
        match &mut self.files {
            Files::One | Files::Rotation(_) => false,
            Files::Ring(ring) => ring.trigger(now),
        }
    }

    /// Writes the complete segments of a ring to a file of its own; `None` if this is no ring.
    ///
    /// # Errors
    /// When the file cannot be written. The segments are still in memory then.
    pub fn write_ring(
        &mut self,
        preamble: &Preamble,
        first: &NetNamespace,
    ) -> Result<Option<WrittenRing>, StoreError> {
        let Files::Ring(ring) = &mut self.files else { return Ok(None) };
        let StoreOptions { path, force, compression, .. } = &self.options;
        let is_free = *force || path.symlink_metadata().is_err();
        let (path, output) = if ring.writings == 0 && is_free {
            (path.clone(), Output::create(path, *force)?)
        } else {
            let (path, _, output) = Naming::of(path)?.create(Timestamp::now(), 1)?;
            (path, output)
        };
        let totals = write_segments(ring, preamble, output, *compression, first)
            .map_err(|error| StoreError::write(&path, error))?;
        ring.writings += 1;
        let time = ring.kept().0.map_or(Duration::ZERO, |since| since.elapsed());
        let size = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        Ok(Some(WrittenRing { path, time, samples: totals.samples, size }))
    }
}

/// Writes segments as one recording.
fn write_segments(
    ring: &Ring,
    preamble: &Preamble,
    output: Output,
    compression: Compression,
    first: &NetNamespace,
) -> io::Result<RecordedTotals> {
    let mut totals = RecordedTotals::default();
    ring.segments().for_each(|segment| totals.add(segment.totals));
    let mut writer = preamble.writer(output, compression, first)?;
    let segments = ring.segments().map(|segment| segment.bytes.as_slice());
    join(segments, first.inode, &mut writer)?;
    writer.json(Kind::End, 0, &totals.ending(EndReason::Kept.name()))?;
    writer.finish()?.close()?;
    Ok(totals)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Reader;

    fn options(path: PathBuf, mode: StoreMode) -> StoreOptions {
        StoreOptions { path, force: false, compression: Compression::None, mode }
    }

    #[test]
    fn existing_files_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.pcapng");
        fs::write(&path, "something").unwrap();
        let preamble = Preamble::new(Duration::from_secs(1), None);
        let ring = StoreMode::Ring { span: Duration::from_secs(60), most: 1 << 20 };
        for mode in [StoreMode::One, ring] {
            let refused = Store::open(options(path.clone(), mode), &preamble);
            assert!(matches!(refused, Err(StoreError::Exists { .. })), "{refused:?}");
        }
        let elsewhere = options(directory.path().join("none/a.pcapng"), ring);
        let refused = Store::open(elsewhere, &preamble);
        assert!(matches!(refused, Err(StoreError::Directory { .. })), "{refused:?}");
        assert_eq!(fs::read(&path).unwrap(), b"something");
    }

    #[test]
    fn a_ring_is_written_as_one_recording() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.pcapng");
        let preamble = Preamble::new(Duration::from_secs(1), None);
        let mode = StoreMode::Ring { span: Duration::from_secs(60), most: 1 << 20 };
        let (mut store, mut output) = Store::open(options(path.clone(), mode), &preamble).unwrap();
        let namespace = crate::procfs::Namespaces::new("/proc".as_ref()).current().unwrap();
        for number in 0..3 {
            let compression = store.compression();
            let writer =
                preamble.begin(output, compression, &namespace, number, Vec::new()).unwrap();
            let bytes = writer.finish().and_then(Output::close).unwrap();
            let totals = RecordedTotals { samples: number, ..RecordedTotals::default() };
            store.finished(bytes, totals, Instant::now());
            output = store.begin_next().unwrap();
        }
        let written = store.write_ring(&preamble, &namespace).unwrap().unwrap();
        assert_eq!((&written.path, written.samples), (&path, 3));
        let mut reader = Reader::new(fs::File::open(&path).unwrap()).unwrap();
        while reader.read_entry().unwrap().is_some() {}
        assert!(reader.is_complete());
        let again = store.write_ring(&preamble, &namespace).unwrap().unwrap();
        assert_ne!(again.path, path);
        assert_eq!(store.finished_files(), 2);
    }
}
