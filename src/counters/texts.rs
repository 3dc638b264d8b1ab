//! The texts of the counter files, for recordings.

use std::path::{Path, PathBuf};

use super::error::ReadError;
use super::procfile::ProcFile;
use super::reader::names;

/// Files about the host besides the counters: received packets by CPU, drops of devices, and the size
/// of connection tracking.
const OF_HOST: [(&str, &str); 4] = [
    ("softnet_stat", "/proc/thread-self/net/softnet_stat"),
    ("dev", "/proc/thread-self/net/dev"),
    ("nf_conntrack_count", "/proc/sys/net/netfilter/nf_conntrack_count"),
    ("nf_conntrack_max", "/proc/sys/net/netfilter/nf_conntrack_max"),
];

/// Reads the texts of the counter files of a namespace repeatedly.
#[derive(Debug)]
pub struct CounterTexts {
    files: Vec<(&'static str, ProcFile)>,
    buffer: Vec<u8>,
}

impl CounterTexts {
    /// Opens snmp, netstat, snmp6, sockstat and sockstat6 below `root`, now and never again: the files
    /// of another namespace can only be opened by a thread inside it.
    ///
    /// # Errors
    /// If a file exists and cannot be opened.
    pub fn open(root: &Path) -> Result<Self, ReadError> {
        Self::of(names().map(|name| (name, root.join(name))))
    }

    /// The same for the thread's own namespace, with softnet_stat, dev, nf_conntrack_count and
    /// nf_conntrack_max.
    ///
    /// # Errors
    /// If a file exists and cannot be opened.
    pub fn open_with_host() -> Result<Self, ReadError> {
        let root = Path::new("/proc/thread-self/net");
        let more = OF_HOST.iter().map(|(name, path)| (*name, PathBuf::from(path)));
        Self::of(names().map(|name| (name, root.join(name))).chain(more))
    }

    fn of(paths: impl Iterator<Item = (&'static str, PathBuf)>) -> Result<Self, ReadError> {
        let mut files = Vec::new();
        for (name, path) in paths {
            let mut file = ProcFile::new(path);
            file.open_for_good()?;
            files.push((name, file));
        }
        Ok(Self { files, buffer: Vec::new() })
    }

    /// Passes on the name and text of each file that exists.
    ///
    /// # Errors
    /// If a file cannot be read.
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
    fn files_about_the_host_are_read_too() {
        let mut texts_read = Vec::new();
        let mut texts = CounterTexts::open_with_host().unwrap();
        texts.read(|name, text| texts_read.push((name.to_owned(), text.to_owned()))).unwrap();
        let text =
            |wanted: &str| texts_read.iter().find(|(name, _)| name == wanted).map(|it| &it.1);
        assert!(
            crate::counters::parse_softnet(text("softnet_stat").unwrap())
                .total("dropped")
                .is_some()
        );
        let devices = crate::counters::parse_devices(text("dev").unwrap());
        assert!(devices.iter().any(|device| device.name == "lo"));
    }

    #[test]
    fn absent_files_are_left_out() {
        let mut texts = CounterTexts::open(Path::new("/proc/version/net")).unwrap();
        texts.read(|name, _| panic!("{name}")).unwrap();
    }
}
