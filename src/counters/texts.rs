//! The counter files as they are, for those who keep them.

use std::path::Path;

use super::error::ReadError;
use super::procfile::ProcFile;
use super::reader::names;

/// Reads the texts of the counter files of a namespace, again and again.
#[derive(Debug)]
pub struct CounterTexts {
    files: Vec<(&'static str, ProcFile)>,
    buffer: Vec<u8>,
}

impl CounterTexts {
    /// Opens snmp, netstat, snmp6, sockstat and sockstat6 below `root`, now and never again:
    /// only the thread inside another namespace may open its files.
    ///
    /// # Errors
    /// When one that is there cannot be opened.
    pub fn open(root: &Path) -> Result<Self, ReadError> {
        let mut files = Vec::new();
        for name in names() {
            let mut file = ProcFile::new(root.join(name));
            file.open_for_good()?;
            files.push((name, file));
        }
        Ok(Self { files, buffer: Vec::new() })
    }

    /// Hands on the name and text of each file that is there.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn read(&mut self, mut each: impl FnMut(&str, &str)) -> Result<(), ReadError> {
        for (name, file) in &mut self.files {
            if let Some(text) = file.read(&mut self.buffer)? {
                each(name, &text);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_this_machine() {
        let mut texts = CounterTexts::open(Path::new("/proc/thread-self/net")).unwrap();
        for _ in 0..2 {
            let mut names = Vec::new();
            texts
                .read(|name, text| {
                    assert!(text.ends_with('\n'), "{name}");
                    names.push(name.to_owned());
                })
                .unwrap();
            assert!(names.starts_with(&["snmp".to_owned(), "netstat".to_owned()]), "{names:?}");
        }
    }

    #[test]
    fn what_is_absent_is_left_out() {
        let mut texts = CounterTexts::open(Path::new("/proc/version/net")).unwrap();
        texts.read(|name, _| panic!("{name}")).unwrap();
    }
}
