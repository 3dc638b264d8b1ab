//! A file that counts what was read of it.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many bytes were read, of one file or of several.
#[derive(Debug, Clone, Default)]
pub struct BytesRead(Arc<AtomicU64>);

impl BytesRead {
    /// The number so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A file whose bytes are counted while they are read, for a progress line.
#[derive(Debug)]
pub struct CountedFile {
    file: File,
    read: BytesRead,
}

impl CountedFile {
    /// Opens a file, and adds what is read of it to `read`.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn open(path: &Path, read: &BytesRead) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, read: read.clone() })
    }

    /// The file's metadata.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }
}

impl Read for CountedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.read.0.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}
