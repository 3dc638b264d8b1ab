//! Where the bytes of a recording go: a file, or memory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::store_error::StoreError;

/// Bytes that are gathered before they are written: an uncompressed recording has a block for each
/// event.
const BUFFER: usize = 1 << 18;

/// Readable for the owner only: addresses and processes of other users are in it.
const MODE: u32 = 0o600;

/// The bytes of a recording that is written.
#[derive(Debug)]
pub enum Output {
    /// To a file.
    Disk(BufWriter<File>),
    /// To memory.
    Memory(Vec<u8>),
}

impl Output {
    /// A new file, or with `force` an empty one.
    ///
    /// # Errors
    /// When it exists without `force`, or cannot be created.
    pub fn create(path: &Path, force: bool) -> Result<Self, StoreError> {
        Ok(Self::Disk(BufWriter::with_capacity(BUFFER, create_private(path, force)?)))
    }

    /// Writes everything to the disk; returns what was written to memory.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn close(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Disk(file) => {
                let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
                // Some file systems report only now that they are full.
                file.sync_all()?;
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

/// Creates a file that only its owner may read; with `force` empties an existing one.
///
/// # Errors
/// When it exists without `force`, or cannot be created.
pub fn create_private(path: &Path, force: bool) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.write(true).mode(MODE);
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let cannot = |source| StoreError::Create { path: path.to_owned(), source };
    let file = options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => StoreError::Exists { path: path.to_owned() },
        _ => cannot(error),
    })?;
    if force && file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        // The file that was there may have been readable for everybody.
        file.set_permissions(fs::Permissions::from_mode(MODE)).map_err(cannot)?;
    }
    Ok(file)
}
