//! Where the bytes of a recording go: a file, or memory.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::store_error::StoreError;
use crate::sys::{NewFile, NewFileError};

/// Bytes that are gathered before they are written: an uncompressed recording has a block for each
/// event.
const BUFFER: usize = 1 << 18;

/// Readable for the owner only: addresses and processes of other users are in it.
const MODE: u32 = 0o600;

/// The bytes of a recording that is written.
#[derive(Debug)]
pub enum Output {
    /// To a file.
    Disk(BufWriter<NewFile>),
    /// To memory.
    Memory(Vec<u8>),
}

impl Output {
    /// A new file; with `force` in the place of one that exists, once it is flushed first.
    ///
    /// # Errors
    /// As [`create_private`].
    pub fn create(path: &Path, force: bool) -> Result<Self, StoreError> {
        Ok(Self::Disk(BufWriter::with_capacity(BUFFER, create_private(path, force)?)))
    }

    /// Writes everything to the disk; returns what was written to memory.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn close(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Disk(mut file) => {
                file.flush()?;
                // Some file systems report only now that they are full.
                file.get_ref().sync()?;
                Ok(Vec::new())
            }
            Self::Memory(bytes) => Ok(bytes),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Disk(file) => file.write(bytes),
            Self::Memory(memory) => memory.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Disk(file) => file.flush(),
            Self::Memory(_) => Ok(()),
        }
    }
}

/// Refuses `-`, which other programs take for standard output.
///
/// # Errors
/// When the path is `-`.
pub fn check_path(path: &Path) -> Result<(), StoreError> {
    if path == Path::new("-") { Err(StoreError::StandardOutput) } else { Ok(()) }
}

/// Creates a file that only its owner may read, with `force` in the place of one that exists. It
/// takes its name when it is flushed first; dropped before, it is gone.
///
/// # Errors
/// When it exists without `force`, is a symbolic link, or cannot be created.
pub fn create_private(path: &Path, force: bool) -> Result<NewFile, StoreError> {
    let path = || path.to_owned();
    NewFile::create(&path(), force, MODE).map_err(|error| match error {
        NewFileError::Exists => StoreError::Exists { path: path() },
        NewFileError::Link => StoreError::Link { path: path() },
        NewFileError::Io(source) => StoreError::Create { path: path(), source },
    })
}
