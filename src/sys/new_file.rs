//! Writing a file that nobody else can redirect, and that is whole or not there.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::{explain_write_error, random_bytes};

/// Names of this process's own descriptors. They are links, which only the kernel can change.
const DESCRIPTORS: [&str; 5] =
    ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc/self/fd", "/proc/thread-self/fd"];

/// Why a file cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum NewFileError {
    /// It exists, and was not to be replaced.
    #[error("it exists already")]
    Exists,
    /// It is a symbolic link. Whoever made it would choose the file that is replaced.
    #[error("it is a symbolic link, which is not followed: name the file itself")]
    Link,
    /// The system refuses.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A file that is being written.
///
/// It takes its name, in the place of a file that was there, when it is flushed first: what was
/// written so far can be read then. Dropped before, it is gone, and the old file is as it was. A
/// FIFO, a device and the process's own descriptors are written as they are.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    path: PathBuf,
    state: State,
    /// It has to outlast a crash of the host.
    lasting: bool,
}

#[derive(Debug)]
enum State {
    /// It has its name.
    Kept,
    /// It was created under its name, which is taken back if nothing comes of it.
    Created,
    /// It replaces the file of that name; until then it has this one.
    Beside(PathBuf),
}

impl NewFile {
    /// Creates a file with this mode; with `replace` in the place of one that exists.
    ///
    /// # Errors
    /// When it exists without `replace`, is a symbolic link, or cannot be created.
    pub fn create(path: &Path, replace: bool, mode: u32) -> Result<Self, NewFileError> {
        let new = |file, state| Self { file, path: path.to_owned(), state, lasting: true };
        let old = match path.symlink_metadata() {
            Ok(old) => old,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(new(create_new(path, mode)?, State::Created));
            }
            Err(error) => return Err(error.into()),
        };
        if !replace {
            return Err(NewFileError::Exists);
        }
        if is_descriptor(path) {
            return Ok(new(File::options().write(true).truncate(true).open(path)?, State::Kept));
        }
        if old.is_symlink() {
            return Err(NewFileError::Link);
        }
        if old.is_file() {
            let (file, beside) = create_beside(path, mode)?;
            return Ok(new(file, State::Beside(beside)));
        }
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file =
            File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?);
        if !is_stream(&file.metadata()?) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it was exchanged").into());
        }
        Ok(new(file, State::Kept))
    }

    /// Does not wait for the disk when it takes its name: it means nothing after a crash.
    #[must_use]
    pub fn transient(mut self) -> Self {
        self.lasting = false;
        self
    }

    /// Waits until what was written is on the disk.
    ///
    /// # Errors
    /// When the file system refuses. A stream has nothing to wait for.
    pub fn sync(&self) -> io::Result<()> {
        if self.file.metadata()?.is_file() {
            self.file.sync_all().map_err(explain_write_error)
        } else {
            Ok(())
        }
    }

    /// Gives the file its name.
    fn keep(&mut self) -> io::Result<()> {
        if let State::Beside(beside) = &self.state {
            if self.lasting {
                // After a crash the name has the old content or this.
                self.file.sync_data().map_err(explain_write_error)?;
            }
            fs::rename(beside, &self.path)?;
        }
        self.state = State::Kept;
        Ok(())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).map_err(explain_write_error)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.keep()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        let path = match &self.state {
            State::Kept => return,
            State::Created => &self.path,
            State::Beside(beside) => beside,
        };
        // Another file may have the name by now.
        let is_ours = match (path.symlink_metadata(), self.file.metadata()) {
            (Ok(there), Ok(ours)) => (there.dev(), there.ino()) == (ours.dev(), ours.ino()),
            _ => false,
        };
        if is_ours {
            let _ = fs::remove_file(path);
        }
    }
}

/// Creates a file. `O_EXCL` neither opens what is there nor follows a link.
fn create_new(path: &Path, mode: u32) -> Result<File, NewFileError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::from_raw_mode(mode)) {
        Ok(file) => Ok(File::from(file)),
        Err(rustix::io::Errno::EXIST) => Err(NewFileError::Exists),
        Err(error) => Err(io::Error::from(error).into()),
    }
}

/// Creates a file of a random name in the same directory.
fn create_beside(path: &Path, mode: u32) -> Result<(File, PathBuf), NewFileError> {
    let number = u64::from_ne_bytes(random_bytes()?);
    let beside = path.with_file_name(format!(".tcpdiag-{number:016x}"));
    Ok((create_new(&beside, mode)?, beside))
}

fn is_descriptor(path: &Path) -> bool {
    DESCRIPTORS.iter().any(|descriptor| path.starts_with(descriptor))
}

fn is_stream(metadata: &Metadata) -> bool {
    let kind = metadata.file_type();
    kind.is_fifo() || kind.is_char_device() || kind.is_block_device()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    const MODE: u32 = 0o600;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_when_it_is_flushed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::hard_link(&path, directory.path().join("other")).unwrap();
        assert!(matches!(NewFile::create(&path, false, MODE), Err(NewFileError::Exists)));
        let mut file = NewFile::create(&path, true, MODE).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        drop(file);
        assert_eq!(names(directory.path()), ["file", "other"], "nothing is left beside it");
        let mut file = NewFile::create(&path, true, MODE).unwrap();
        file.write_all(b"new").unwrap();
        file.flush().unwrap();
        file.write_all(b"er").unwrap();
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"newer");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, MODE);
        let other = fs::metadata(directory.path().join("other")).unwrap();
        assert_eq!((other.mode() & 0o777, other.len()), (0o644, 3), "another name keeps the old");
        assert_eq!(names(directory.path()), ["file", "other"]);
    }

    #[test]
    fn a_new_file_without_content_goes_away() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        for replace in [false, true] {
            let mut file = NewFile::create(&path, replace, MODE).unwrap();
            file.write_all(b"half").unwrap();
            assert!(matches!(NewFile::create(&path, false, MODE), Err(NewFileError::Exists)));
            drop(file);
            assert!(!path.exists());
        }
        let mut file = NewFile::create(&path, false, MODE).unwrap();
        file.flush().unwrap();
        drop(file);
        assert!(path.exists());
    }

    #[test]
    fn links_are_refused_and_their_files_left() {
        let directory = tempfile::tempdir().unwrap();
        let (target, link) = (directory.path().join("target"), directory.path().join("link"));
        fs::write(&target, "old").unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o644)).unwrap();
        for to in [&target, &directory.path().join("nothing"), Path::new("/dev/null")] {
            symlink(to, &link).unwrap();
            assert!(matches!(NewFile::create(&link, true, MODE), Err(NewFileError::Link)));
            assert!(matches!(NewFile::create(&link, false, MODE), Err(NewFileError::Exists)));
            fs::remove_file(&link).unwrap();
        }
        assert_eq!(names(directory.path()), ["target"]);
        assert_eq!(fs::metadata(&target).unwrap().mode() & 0o777, 0o644);
        assert_eq!(fs::read(&target).unwrap(), b"old");
        assert!(NewFile::create(directory.path(), true, MODE).is_err());
    }

    #[test]
    fn streams_are_written_as_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let reader = std::thread::spawn({
            let fifo = fifo.clone();
            move || fs::read(fifo).unwrap()
        });
        let mut file = NewFile::create(&fifo, true, MODE).unwrap();
        file.write_all(b"text").unwrap();
        file.flush().unwrap();
        file.sync().unwrap();
        drop(file);
        assert_eq!(reader.join().unwrap(), b"text");
        assert!(fs::symlink_metadata(&fifo).unwrap().file_type().is_fifo());
        let mut file = NewFile::create(Path::new("/dev/null"), true, MODE).unwrap();
        file.write_all(b"text").unwrap();
        file.flush().unwrap();
        drop(file);
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }
}
