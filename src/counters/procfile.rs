//! A file of /proc that is read repeatedly through one descriptor.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use super::error::ReadError;
use crate::sys::at_own_thread;

/// Initial size of a buffer: netstat has some 7 kB.
const FIRST: usize = 16 * 1024;

/// A file that may be absent.
///
/// Opened once and read from offset 0 each time, which makes seq_file start again. A descriptor below
/// `/proc/PID/net` stays with the namespace that it was opened in, also after the process has ended.
#[derive(Debug)]
pub(super) struct ProcFile {
    path: PathBuf,
    file: Option<File>,
    /// Absent, and not to be opened any more.
    settled: bool,
}

impl ProcFile {
    /// Nothing is opened yet.
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, file: None, settled: false }
    }

    /// Opens the file if there is one, and never tries again.
    pub(super) fn open_for_good(&mut self) -> Result<(), ReadError> {
        self.settled = true;
        self.open()
    }

    /// Closes the file; the next read opens it again, in the namespace of its thread.
    pub(super) fn close(&mut self) {
        self.file = None;
    }

    fn open(&mut self) -> Result<(), ReadError> {
        self.file = match File::open(at_own_thread(&self.path)) {
            Ok(file) => Some(file),
            Err(error) if is_absent(&error) => None,
            Err(source) => return Err(ReadError::Open { path: self.path.clone(), source }),
        };
        Ok(())
    }

    /// The whole text, in a reused buffer; `None` if the file is absent.
    ///
    /// An absent file is tried each time: the IPv6 module may be loaded later.
    pub(super) fn read<'b>(
        &mut self,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Option<Cow<'b, str>>, ReadError> {
        if !self.settled && self.file.is_none() {
            self.open()?;
        }
        let Some(file) = &self.file else {
            return Ok(None);
        };
        match read_all(file, buffer) {
            Ok(length) => {
                Ok(Some(String::from_utf8_lossy(buffer.get(..length).unwrap_or_default())))
            }
            Err(source) => Err(ReadError::Read { path: self.path.clone(), source }),
        }
    }
}

/// Whether the file is absent: /proc returns ENOENT, or ESRCH for a process that has ended.
fn is_absent(error: &io::Error) -> bool {
    const ESRCH: i32 = 3;
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        || error.raw_os_error() == Some(ESRCH)
}

/// Reads the file from its start until a read returns 0 bytes.
fn read_all(file: &File, buffer: &mut Vec<u8>) -> io::Result<usize> {
    if buffer.is_empty() {
        buffer.resize(FIRST, 0);
    }
    let mut length = 0;
    loop {
        if length == buffer.len() {
            buffer.resize(buffer.len() * 2, 0);
        }
        let free = buffer.get_mut(length..).unwrap_or_default();
        match file.read_at(free, length as u64) {
            Ok(0) => return Ok(length),
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_again_from_the_start_and_grows_its_buffer() {
        let mut file = ProcFile::new(PathBuf::from("/proc/self/net/netstat"));
        let mut buffer = vec![0; 1];
        for _ in 0..3 {
            let text = file.read(&mut buffer).unwrap().unwrap();
            assert!(text.starts_with("TcpExt: "), "{text:.40}");
            assert!(text.ends_with('\n'));
        }
    }

    #[test]
    fn absent_is_not_an_error_but_a_directory_is() {
        let mut buffer = Vec::new();
        for path in ["/proc/self/net/no_such", "/proc/0/net/snmp", "/proc/version/net"] {
            assert!(
                ProcFile::new(PathBuf::from(path)).read(&mut buffer).unwrap().is_none(),
                "{path}"
            );
        }
        let error = ProcFile::new(PathBuf::from("/proc")).read(&mut buffer).unwrap_err();
        assert_eq!(error.to_string(), "cannot read /proc");
    }
}
