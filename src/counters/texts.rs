//! The counter files as they are, for those who keep them.

use std::path::{Path, PathBuf};

use super::error::ReadError;
use super::procfile::ProcFile;
use super::reader::names;

/// Files beside the counters that tell of the host: what processors did with received packets,
/// what devices dropped, and how full connection tracking is.
const OF_HOST: [(&str, &str); 4] = [
    ("softnet_stat", "/proc/thread-self/net/softnet_stat"),
    ("dev", "/proc/thread-self/net/dev"),
    ("nf_conntrack_count", "/proc/sys/net/netfilter/nf_conntrack_count"),
    ("nf_conntrack_max", "/proc/sys/net/netfilter/nf_conntrack_max"),
];

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
        Self::of(names().map(|name| (name, root.join(name))))
    }

    /// The same of the thread's own namespace, and softnet_stat, dev, nf_conntrack_count and
    /// nf_conntrack_max.
    ///
    /// # Errors
    /// When one that is there cannot be opened.
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
    fn the_host_is_told_of_too() {
        let mut told = Vec::new();
        let mut texts = CounterTexts::open_with_host().unwrap();
        texts.read(|name, text| told.push((name.to_owned(), text.to_owned()))).unwrap();
        let text = |wanted: &str| told.iter().find(|(name, _)| name == wanted).map(|it| &it.1);
        assert!(
            crate::counters::parse_softnet(text("softnet_stat").unwrap())
                .total("dropped")
                .is_some()
        );
        let devices = crate::counters::parse_devices(text("dev").unwrap());
        assert!(devices.iter().any(|device| device.name == "lo"));
    }

    #[test]
    fn what_is_absent_is_left_out() {
        let mut texts = CounterTexts::open(Path::new("/proc/version/net")).unwrap();
        texts.read(|name, _| panic!("{name}")).unwrap();
    }
}
