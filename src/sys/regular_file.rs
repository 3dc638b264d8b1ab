//! Reading a small file that others may have replaced by something else.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum RegularFileError {
    /// The file system refuses.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A directory, a FIFO, a device or a socket.
    #[error("not a regular file")]
    NotRegular,
    /// It has more bytes than are read.
    #[error("larger than {0} bytes")]
    TooLarge(u64),
}

impl RegularFileError {
    /// Whether there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

/// `/dev/null`, which stands for an empty file: `MEM_MAJOR` 1, minor 3.
const NULL_DEVICE: (u32, u32) = (1, 3);

/// Reads a regular file of at most `most` bytes, or `/dev/null`. Never waits for the writer of a FIFO.
///
/// # Errors
/// When it cannot be read, is no regular file, or is larger.
pub fn read_regular_file(path: &Path, most: u64) -> Result<Vec<u8>, RegularFileError> {
    // Without NONBLOCK, opening a FIFO would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?);
    let metadata = file.metadata()?;
    if metadata.file_type().is_char_device()
        && (rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev())) == NULL_DEVICE
    {
        return Ok(Vec::new());
    }
    if !metadata.is_file() {
        return Err(RegularFileError::NotRegular);
    }
    let mut bytes = Vec::new();
    // One byte more: the file may grow, and those of procfs have no size.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(RegularFileError::TooLarge(most));
    }
    Ok(bytes)
}

/// The same, as text.
///
/// # Errors
/// The same, and when it is not UTF-8.
pub fn read_regular_text(path: &Path, most: u64) -> Result<String, RegularFileError> {
    let bytes = read_regular_file(path, most)?;
    let not_text = |_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8");
    Ok(String::from_utf8(bytes).map_err(not_text)?)
}

#[cfg(test)]
mod tests {
    use rustix::fs::FileType;

    use super::*;

    #[test]
    fn only_small_regular_files_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        assert!(read_regular_file(&path, 10).unwrap_err().is_missing());
        std::fs::write(&path, b"0123456789").unwrap();
        assert_eq!(read_regular_file(&path, 10).unwrap(), b"0123456789");
        let error = read_regular_file(&path, 9).unwrap_err();
        assert!(matches!(error, RegularFileError::TooLarge(9)), "{error}");
        // Files of procfs have no length.
        assert!(!read_regular_text(Path::new("/proc/self/status"), 1 << 20).unwrap().is_empty());
        assert!(read_regular_file(Path::new("/proc/self/status"), 4).is_err());
        std::fs::write(&path, b"\xff").unwrap();
        assert!(read_regular_text(&path, 10).is_err());
        assert!(read_regular_file(Path::new("/dev/null"), 10).unwrap().is_empty());
        let fifo = directory.path().join("fifo");
        let mode = Mode::RUSR | Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, mode, 0).unwrap();
        for path in [&fifo, directory.path(), Path::new("/dev/zero")] {
            let error = read_regular_file(path, 10).unwrap_err();
            assert!(matches!(error, RegularFileError::NotRegular), "{error}");
        }
    }
}
